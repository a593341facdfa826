/* SPDX-License-Identifier: MIT */
#include "child.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int child_start(struct child *c, char *const *argv, int in, int out, struct err *e)
{
	struct proc_opts o = {.in = in, .out = out};

	c->log = memfd_create("stderr", MFD_CLOEXEC);
	if (c->log < 0)
		return err_sys(e, "cannot make a memory file");
	o.err = c->log;
	if (proc_start(&c->proc, argv, &o, e) < 0) {
		close(c->log);
		return -1;
	}
	return 0;
}

int child_poll(const struct child *c, int ms)
{
	struct pollfd p = {.fd = c->proc.pidfd, .events = POLLIN};

	return poll(&p, 1, ms) > 0;
}

static void last_line(int fd, char *out, size_t size)
{
	char buf[8192];
	off_t end = lseek(fd, 0, SEEK_END);
	off_t from = end > (off_t)sizeof buf - 1 ? end - ((off_t)sizeof buf - 1) : 0;
	ssize_t n = pread(fd, buf, sizeof buf - 1, from);
	char *line;

	*out = 0;
	while (n > 0 && (buf[n - 1] == '\n' || buf[n - 1] == '\r'))
		n--;
	if (n <= 0)
		return;
	buf[n] = 0;
	line = strrchr(buf, '\n');
	snprintf(out, size, "%s", line ? line + 1 : buf);
}

int child_end(struct child *c, char *line, size_t size, struct err *e)
{
	int ws = proc_wait(&c->proc);

	last_line(c->log, line, size);
	close(c->log);
	if (ws < 0) {
		errno = -ws;
		return err_sys(e, "cannot wait for a helper program");
	}
	return proc_status(ws);
}

void child_kill(struct child *c)
{
	char line[16];

	proc_kill(&c->proc, SIGKILL);
	child_end(c, line, sizeof line, NULL);
}
