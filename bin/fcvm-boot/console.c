/* SPDX-License-Identifier: MIT */
#include "console.h"
#include "cleanup.h"
#include "strv.h"
#include "xio.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>

int console_open(struct console *c, int dir)
{
	c->size = 0;
	c->copy = NULL;
	c->file = dir < 0 ? memfd_create("console", MFD_CLOEXEC)
	                  : openat(dir, "console.log",
	                            O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	return c->file < 0 ? -errno : 0;
}

/* Keeps the newer half when the file is full. */
static void halve(struct console *c)
{
	auto_free char *keep = xcalloc(1, CONSOLE_MAX / 2);
	ssize_t n = pread(c->file, keep, CONSOLE_MAX / 2, (off_t)(c->size - CONSOLE_MAX / 2));

	if (n < 0 || pwrite(c->file, keep, (size_t)n, 0) < 0 || ftruncate(c->file, n) < 0)
		return; /* a full disk: the text stays as it is and the rest is dropped */
	c->size = (size_t)n;
}

static void keep_text(struct console *c, const char *text, size_t n)
{
	if (c->size + n > CONSOLE_MAX)
		halve(c);
	if (c->size + n <= CONSOLE_MAX && pwrite(c->file, text, n, (off_t)c->size) == (ssize_t)n)
		c->size += n;
}

bool console_drain(struct console *c, int sock)
{
	char buf[16384];
	ssize_t n;

	while ((n = recv(sock, buf, sizeof buf, MSG_DONTWAIT)) > 0) {
		keep_text(c, buf, (size_t)n);
		if (c->copy) {
			sink_taken(c->copy);
			sink_put(c->copy, buf, (size_t)n);
		}
	}
	return n < 0 && (errno == EAGAIN || errno == EINTR);
}

/* The last `size` - 1 bytes of the text. */
static void last_bytes(const struct console *c, char *buf, size_t size)
{
	size_t n = c->size < size - 1 ? c->size : size - 1;
	ssize_t r = pread(c->file, buf, n, (off_t)(c->size - n));

	buf[r > 0 ? r : 0] = 0;
	for (ssize_t i = 0; i < r; i++)
		if ((unsigned char)buf[i] < 0x20 && buf[i] != '\n')
			buf[i] = buf[i] == '\r' || !buf[i] ? ' ' : '?';
		else if (buf[i] == 0x7f)
			buf[i] = '?';
}

bool console_panic(const struct console *c, char *out, size_t size)
{
	static const char mark[] = "Kernel panic - not syncing: ";
	char buf[32768], *p;

	last_bytes(c, buf, sizeof buf);
	p = strstr(buf, mark);
	if (!p)
		return false;
	p += sizeof mark - 1;
	p[strcspn(p, "\n")] = 0;
	for (size_t n = strlen(p); n && p[n - 1] == ' '; n--)
		p[n - 1] = 0;
	snprintf(out, size, "%.*s", (int)size - 1, p);
	return true;
}

void console_tail(const struct console *c, char *out, size_t size)
{
	char buf[2048], *line, *save = NULL;
	size_t used = 0;

	*out = 0;
	last_bytes(c, buf, sizeof buf);
	for (line = strtok_r(buf, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
		if (used + strlen(line) + 8 < size)
			used += (size_t)snprintf(out + used, size - used, "  | %s\n", line);
}

void console_close(struct console *c)
{
	if (c->file >= 0)
		close(c->file);
	c->file = -1;
}
