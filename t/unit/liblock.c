/* SPDX-License-Identifier: MIT */
#include "lock.h"
#include "cleanup.h"
#include "tap.h"
#include "tmpdir.h"

#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>

static void excluding(const struct tmpdir *d)
{
	auto_fd int a = lock_file_at(d->fd, "l", true, false);
	auto_fd int b = -1;
	struct stat st;

	ok(a >= 0, "a free lock is taken, and its file made");
	is_int(lock_file_at(d->fd, "l", true, false), -EWOULDBLOCK, "a second holder is refused");
	is_int(lock_file_at(d->fd, "l", false, false), -EWOULDBLOCK, "a reader, too");
	is_int(fcntl(a, F_GETFD), FD_CLOEXEC, "the descriptor is close-on-exec");
	is_int(fstatat(d->fd, "l", &st, 0), 0, "the file is there");
	is_int(st.st_mode & 07777, 0600, "for the owner alone");
	close(a);
	a = -1;
	b = lock_file_at(d->fd, "l", true, false);
	ok(b >= 0, "closing frees it");
	is_int(fstatat(d->fd, "l", &st, 0), 0, "and leaves the file");
}

static void sharing(const struct tmpdir *d)
{
	auto_fd int a = lock_file_at(d->fd, "s", false, false);
	auto_fd int b = lock_file_at(d->fd, "s", false, false);

	ok(a >= 0 && b >= 0, "readers share");
	is_int(lock_file_at(d->fd, "s", true, false), -EWOULDBLOCK, "a writer is kept out");
}

static void dying(const struct tmpdir *d)
{
	int ready[2];
	char c;
	pid_t pid;
	auto_fd int fd = -1;

	if (pipe2(ready, O_CLOEXEC) < 0)
		abort();
	pid = fork();
	if (pid == 0) {
		if (lock_file_at(d->fd, "k", true, false) < 0 || write(ready[1], "x", 1) != 1)
			_exit(1);
		pause();
		_exit(0);
	}
	is_int(read(ready[0], &c, 1), 1, "another process holds the lock");
	is_int(lock_file_at(d->fd, "k", true, false), -EWOULDBLOCK, "so it is refused here");
	kill(pid, SIGKILL);
	fd = lock_file_at(d->fd, "k", true, true);
	ok(fd >= 0, "waiting ends when the holder is killed");
	waitpid(pid, NULL, 0);
	close(ready[0]);
	close(ready[1]);
}

static void refusing(const struct tmpdir *d)
{
	is_int(symlinkat("target", d->fd, "link"), 0, "(a symbolic link is made)");
	is_int(lock_file_at(d->fd, "link", true, false), -ELOOP, "a symbolic link is not followed");
	is_int(faccessat(d->fd, "target", F_OK, 0), -1, "and its target not made");
	is_int(lock_file_at(d->fd, "no/l", true, false), -ENOENT, "a missing folder is an error");
}

int main(void)
{
	auto_tmpdir struct tmpdir d = tmpdir_make();

	excluding(&d);
	sharing(&d);
	dying(&d);
	refusing(&d);
	return done();
}
