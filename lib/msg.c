/* SPDX-License-Identifier: MIT */
#include "msg.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* One write(2) a line, so that lines of several processes never mix. */
static void put_line(const char *text)
{
	char line[1024];
	int n = snprintf(line, sizeof line, "%s: %s\n", program_invocation_short_name, text);

	if (n < 0)
		return;
	if ((size_t)n >= sizeof line) {
		n = sizeof line - 1;
		line[n - 1] = '\n';
	}
	if (write(STDERR_FILENO, line, (size_t)n) < 0)
		return; /* there is nobody left to tell */
}

void msg(const char *fmt, ...)
{
	char text[960];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	put_line(text);
}

int msg_err(const struct err *e)
{
	put_line(e->text);
	return e->status;
}

void progress(const char *fmt, ...)
{
	char text[200];
	va_list ap;

	if (!isatty(STDERR_FILENO))
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	dprintf(STDERR_FILENO, "\r\033[K%s: %.150s", program_invocation_short_name, text);
}

void progress_end(void)
{
	if (isatty(STDERR_FILENO))
		dprintf(STDERR_FILENO, "\r\033[K");
}

bool progress_bytes(const char *what, uint64_t done, uint64_t total)
{
	static struct timespec last;
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	if ((now.tv_sec - last.tv_sec) * 1000 + (now.tv_nsec - last.tv_nsec) / 1000000 < 100)
		return false;
	last = now;
	if (!total && !done)
		progress("%s", what);
	else if (total)
		progress("%s: %" PRIu64 " of %" PRIu64 " MiB", what, done >> 20, total >> 20);
	else
		progress("%s: %" PRIu64 " MiB", what, done >> 20);
	return true;
}
