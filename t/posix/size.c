/* SPDX-License-Identifier: MIT
 * What truncate and ftruncate have in common: sizes and contents, setuid, programs that run. */
#include "posix.h"

#include <sys/socket.h>
#include <sys/wait.h>

int truncate_path(const char *p, off_t size)
{
	return truncate(p, size);
}

static char byte_at(off_t i)
{
	return (char)('A' + i % 53);
}

static void fill(const char *p, off_t size)
{
	int fd = must(open(p, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
	char buf[8192];

	for (off_t at = 0; at < size;) {
		size_t n = 0;

		while (n < sizeof buf && at + (off_t)n < size) {
			buf[n] = byte_at(at + (off_t)n);
			n++;
		}
		at += must(write(fd, buf, n));
	}
	must(close(fd));
}

/* The first `kept` bytes are those of fill(), the rest zeroes. */
static bool content_is(const char *p, off_t kept, off_t size)
{
	int fd = must(open(p, O_RDONLY | O_CLOEXEC)), n;
	off_t at = 0;
	char buf[8192];

	while ((n = must(read(fd, buf, sizeof buf))) > 0)
		for (int i = 0; i < n; i++, at++)
			if (buf[i] != (at < kept ? byte_at(at) : 0)) {
				close(fd);
				return false;
			}
	close(fd);
	return at == size;
}

static void sizes(struct suite *s, const char *name, sizer *set)
{
	static const off_t all[] = {0, 1, 511, 4095, 4096, 4097, 8192, 65536, 131073, 200000};

	for (size_t i = 0; i < COUNT(all); i++) {
		for (size_t j = 0; j < COUNT(all); j++) {
			off_t kept = all[i] < all[j] ? all[i] : all[j];
			char *p = fresh(s);

			fill(p, all[i]);
			expect(s, 0, set(p, all[j]), "%s from %jd to %jd", name, (intmax_t)all[i],
			        (intmax_t)all[j]);
			same(s, size_of(p), all[j], "%s from %jd to %jd: the size", name,
			        (intmax_t)all[i], (intmax_t)all[j]);
			holds(s, content_is(p, kept, all[j]), "%s from %jd to %jd: the content",
			        name, (intmax_t)all[i], (intmax_t)all[j]);
			must(set(p, kept / 2));
			must(set(p, all[i]));
			holds(s, content_is(p, kept / 2 < all[i] ? kept / 2 : all[i], all[i]),
			        "%s from %jd to %jd and by half and back: the content", name,
			        (intmax_t)all[i], (intmax_t)all[j]);
			must(unlink(p));
		}
	}
}

static void set_ids(struct suite *s, const char *name, sizer *set)
{
	static const mode_t modes[] = {04777, 02777, 06777, 02767, 01777};

	for (size_t i = 0; i < COUNT(modes); i++) {
		for (enum who w = ROOT; w < WHOS; w++) {
			mode_t left = modes[i];
			char *p = make_file(s, "content", left, OWNER);

			if (w != ROOT)
				left &= (mode_t) ~(S_ISUID | (left & S_IXGRP ? S_ISGID : 0));
			if (w == OTHER)
				left &= (mode_t)~S_ISGID;
			expect(s, 0, AS(s, w, set(p, 3)), "%s of mode %04o by %s", name, modes[i],
			        who_name(w));
			same(s, mode_of(p), left, "%s of mode %04o by %s: the mode", name, modes[i],
			        who_name(w));
		}
	}
}

void size_matrix(struct suite *s, const char *name, sizer *set)
{
	sizes(s, name, set);
	set_ids(s, name, set);
}

/* Starts the program at p, a copy of this one, which runs until the other end of *hold closes. */
static pid_t start(const char *p, int *hold)
{
	int ends[2];
	pid_t pid;
	char c;

	must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends));
	fflush(stdout);
	pid = must(fork());
	if (pid == 0) {
		if (dup2(ends[1], 0) == 0 && dup2(ends[1], 1) == 1)
			execl(p, p, "--wait", (char *)NULL);
		_exit(errno & 0x7f);
	}
	must(close(ends[1]));
	*hold = ends[0];
	/* Its first byte says that it runs. */
	must(read(ends[0], &c, 1) == 1 ? 0 : -1);
	return pid;
}

static int exec_error(const char *p)
{
	pid_t pid;
	int status;

	fflush(stdout);
	pid = must(fork());
	if (pid == 0) {
		execl(p, p, "--list", (char *)NULL);
		_exit(errno & 0x7f);
	}
	must(waitpid(pid, &status, 0));
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void copy_self(const char *p)
{
	int self = must(open("/proc/self/exe", O_RDONLY | O_CLOEXEC)),
	    copy = must(open(p, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0755)), n;
	char buf[8192];

	while ((n = must(read(self, buf, sizeof buf))) > 0)
		must(write(copy, buf, (size_t)n));
	must(close(self));
	must(close(copy));
}

void running_matrix(struct suite *s, const char *name, sizer *set)
{
	char *p = fresh(s), *q = fresh(s);
	int hold, status, fd;
	pid_t pid;

	copy_self(p);
	pid = start(p, &hold);
	expect(s, ETXTBSY, set(p, 10), "%s of a program that runs", name);
	expect(s, ETXTBSY, open_close(open(p, O_RDWR | O_CLOEXEC)),
	        "a program that runs, to write");
	expect(s, ETXTBSY, open_close(open(p, O_RDONLY | O_TRUNC | O_CLOEXEC)),
	        "a program that runs, to truncate");
	expect(s, 0, open_close(open(p, O_RDONLY | O_CLOEXEC)), "a program that runs, to read");
	expect(s, 0, chmod(p, 0700), "chmod of a program that runs");
	expect(s, 0, rename(p, q), "rename of a program that runs");
	expect(s, 0, link(q, p), "link of a program that runs");
	expect(s, 0, unlink(q), "unlink of a program that runs");
	must(close(hold));
	must(waitpid(pid, &status, 0));
	same(s, status, 0, "a program that ran: its status");
	fd = must(open(p, O_RDWR | O_CLOEXEC));
	same(s, exec_error(p), ETXTBSY, "running what is open to write");
	must(close(fd));
	must(chmod(p, 0600));
	same(s, exec_error(p), EACCES, "running what is not executable");
	expect(s, 0, set(p, 10), "%s of a program that ran", name);
}
