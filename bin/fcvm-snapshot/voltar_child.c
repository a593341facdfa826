/* SPDX-License-Identifier: MIT
 * An ordinary user's container has given files to subordinate ids, which only root of a user
 * namespace may read and make. There they have the ids that the container sees, and these are in
 * the stream, so that it fits whoever imports it. To root they are the same, and it goes the same
 * way.
 */
#include "voltar.h"
#include "cleanup.h"
#include "idmap.h"
#include "strv.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>

#define DATA "data" /* as fcvm-vol calls it, because its owner may be any */

struct report { /* shared with the child */
	struct err e;
	struct voltar_room room;
	uint64_t size;
};

struct voltar {
	enum voltar_work work;
	int dir, ours, theirs;
	pid_t parent;
	struct report *report;
	struct voltar_room *room;
	struct idmap_child child;
};

static int open_data(const struct voltar *v)
{
	if (v->work == VOLTAR_READ && mkdirat(v->dir, DATA, 0700) < 0)
		return -1;
	return openat(v->dir, DATA, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

/* A descriptor for each directory on the way. */
static void raise_limit(void)
{
	struct rlimit l;

	if (getrlimit(RLIMIT_NOFILE, &l) == 0) {
		l.rlim_cur = l.rlim_max;
		setrlimit(RLIMIT_NOFILE, &l);
	}
}

static int work(void *ctx)
{
	const struct voltar *v = ctx;
	struct report *r = v->report;
	auto_fd int top = -1;

	/* What became root in between has disarmed it before. */
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != v->parent)
		return -EIO;
	if (v->ours >= 0)
		close(v->ours);
	raise_limit();
	top = open_data(v);
	if (top < 0)
		err_sys(&r->e, "cannot open it");
	else if (v->work == VOLTAR_READ && voltar_read(v->theirs, top, &r->room, &r->e) == 0)
		return 0;
	else if (v->work != VOLTAR_READ && voltar_write(top, v->theirs, &r->size, &r->e) == 0)
		return 0;
	return -ECANCELED;
}

static void voltar_free(struct voltar *v)
{
	if (v->ours >= 0)
		close(v->ours);
	if (v->theirs >= 0)
		close(v->theirs);
	if (v->report)
		munmap(v->report, sizeof *v->report);
	free(v);
}

static int prepare(struct voltar *v)
{
	void *report = mmap(
	        NULL, sizeof *v->report, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int ends[2];

	if (report == MAP_FAILED)
		return -errno;
	v->report = report;
	if (v->room)
		v->report->room = *v->room;
	if (v->work == VOLTAR_SIZE)
		return 0;
	if (pipe2(ends, O_CLOEXEC) < 0)
		return -errno;
	v->ours = ends[v->work == VOLTAR_READ];
	v->theirs = ends[v->work != VOLTAR_READ];
	return 0;
}

struct voltar *voltar_start(int dir, enum voltar_work what, struct voltar_room *room, struct err *e)
{
	struct voltar *v = xcalloc(1, sizeof *v);
	int r;

	*v = (struct voltar){.work = what,
	        .dir = dir,
	        .ours = -1,
	        .theirs = -1,
	        .parent = getpid(),
	        .room = room};
	r = prepare(v);
	if (r == 0)
		r = idmap_start(&v->child, work, v);
	if (r < 0) {
		voltar_free(v);
		errno = -r;
		err_sys(e, "cannot make a process with the ids of the container");
		return NULL;
	}
	if (v->theirs >= 0)
		close(steal_fd(&v->theirs));
	return v;
}

int voltar_fd(const struct voltar *v)
{
	return v->ours;
}

int voltar_end(struct voltar *v, uint64_t *size, struct err *e)
{
	int r;

	if (v->ours >= 0)
		close(steal_fd(&v->ours));
	r = idmap_end(&v->child);
	if (v->room)
		*v->room = v->report->room;
	if (size)
		*size = v->report->size;
	if (r == -ECANCELED && v->report->e.text[0]) {
		if (e)
			*e = v->report->e;
	} else if (r < 0) {
		errno = -r;
		err_sys(e, "the process with the ids of the container has failed");
	}
	voltar_free(v);
	return r < 0 ? -1 : 0;
}
