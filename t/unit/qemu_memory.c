/* SPDX-License-Identifier: MIT
 * A process that restores a machine can map the memory's file as if it might write to it, and
 * cannot change it; and its signals, which interrupt what it asks, change nothing of that. This
 * program is that process, too. */
#include "qemu_memory.h"
#include "proc.h"
#include "tap.h"
#include "tmpdir.h"

#include <errno.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/time.h>

#define SIZE  65536
#define OPENS 3000

static void tick(int sig)
{
	(void)sig;
}

/* The machine's: 0 if all is as it must be, else which step is not. */
static int machine(const char *memory, const char *other)
{
	const struct itimerval often = {{0, 100}, {0, 100}}, never = {{0, 0}, {0, 0}};
	struct sigaction sa = {.sa_handler = tick, .sa_flags = SA_RESTART};
	int fd = open(memory, O_RDWR | O_CLOEXEC), mine;

	if (fd < 0 || (fcntl(fd, F_GETFL) & O_ACCMODE) != O_RDONLY)
		return 1;
	sigaction(SIGALRM, &sa, NULL);
	setitimer(ITIMER_REAL, &often, NULL);
	for (int i = 0; i < OPENS; i++) {
		mine = open(other, O_RDWR | O_CLOEXEC);
		if (mine < 0 && errno != EINTR)
			return 2;
		if (mine >= 0)
			close(mine);
	}
	setitimer(ITIMER_REAL, &never, NULL);
	if (fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, SIZE) < 0)
		return 3;
	/* Its own files it can change, and make holes in. */
	mine = open(other, O_RDWR | O_CLOEXEC);
	return mine < 0 || fallocate(mine, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, SIZE) < 0
	               ? 4
	               : 0;
}

static int file(const struct tmpdir *d, const char *name)
{
	int fd = openat(d->fd, name, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	char data[SIZE];

	memset(data, 'x', sizeof data);
	if (fd < 0 || pwrite_full(fd, data, sizeof data, 0) < 0)
		abort();
	return fd;
}

static blkcnt_t blocks(int fd)
{
	struct stat st;

	return fstat(fd, &st) < 0 ? -1 : st.st_blocks;
}

int main(int argc, char **argv)
{
	if (argc == 3)
		return machine(argv[1], argv[2]);

	auto_tmpdir struct tmpdir d = tmpdir_make();
	int memory = file(&d, "memory"), other = file(&d, "other"), r;
	blkcnt_t whole = blocks(memory);
	char path[QEMU_MEMORY_PATH], mine[100];
	char self[] = "/proc/self/exe", *child[] = {self, path, mine, NULL};
	struct proc_opts o = {.in = 0, .out = 1, .err = 2, .keep = &memory, .n_keep = 1};
	struct qemu_memory g;
	struct proc p = {.pidfd = -1};
	struct err e;

	snprintf(path, sizeof path, "/proc/self/fd/%d", memory);
	snprintf(mine, sizeof mine, "%s/other", d.path);
	r = qemu_memory_begin(&g, memory, path, &e);
	o.prepare = qemu_memory_prepare;
	o.ctx = &g;
	if (!is_int(r == 0 ? proc_start(&p, child, &o, &e) : -1, 0, "a machine starts"))
		return done();
	is_int(qemu_memory_guard(&g, p.pid, &e), 0, "and is guarded");
	qemu_memory_end(&g);
	is_int(proc_status(proc_wait(&p)), 0,
	        "it can do what it has to, however often interrupted");
	is_int(blocks(memory), whole, "the memory is whole");
	ok(blocks(other) < whole, "another file has a hole");
	close(memory);
	close(other);
	return done();
}
