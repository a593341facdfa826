/* SPDX-License-Identifier: MIT
 * Which time stamps an operation moves, and that one that fails moves none. */
#include "posix.h"

bool later(struct timespec a, struct timespec b)
{
	return a.tv_sec > b.tv_sec || (a.tv_sec == b.tv_sec && a.tv_nsec > b.tv_nsec);
}

bool equal_time(struct timespec a, struct timespec b)
{
	return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

/* The file system's own clock is asked, which may be another machine's and tick slowly. */
void tick(struct suite *s)
{
	static const struct timespec pause = {.tv_nsec = 500000};
	struct timespec start, begin, now;
	struct stat st;

	(void)s;
	must(mkdir(".clock", 0700));
	start = look(".clock").st_ctim;
	must(clock_gettime(CLOCK_MONOTONIC, &begin));
	do {
		nanosleep(&pause, NULL);
		must(chmod(".clock", 0700));
		st = look(".clock");
		must(clock_gettime(CLOCK_MONOTONIC, &now));
	} while (!later(st.st_ctim, start) && now.tv_sec - begin.tv_sec < 5);
	must(rmdir(".clock"));
}

static void moved(struct suite *s, struct timespec before, struct timespec after, bool want,
        const char *op, const char *what)
{
	suite_ok(s, later(after, before) == want && (want || equal_time(after, before)), __LINE__,
	        "%s %s %s", op, want ? "moves" : "leaves", what);
}

static void of_parent(
        struct suite *s, const char *dir, struct stat before, bool want, const char *op)
{
	struct stat after = look(dir);

	moved(s, before.st_mtim, after.st_mtim, want, op, "the directory's mtime");
	moved(s, before.st_ctim, after.st_ctim, want, op, "the directory's ctime");
}

static void success(struct suite *s, const struct op *op)
{
	bool named = op->is & (CREATES | REMOVES);
	char *dir = make_dir(s, 0777, ROOT), *p = path(s, "%s/x", dir), *other = fresh(s);
	struct stat parent, before = {0}, after;

	prepare(s, op, p, ROOT);
	if (op->is & REMOVES && op->on != DIRECTORY)
		must(link(p, other));
	parent = look(dir);
	if (!(op->is & CREATES))
		before = look(p);
	tick(s);
	attempt(s, op, 0, p, "at a later time");
	of_parent(s, dir, parent, named, op->name);
	if (op->is & CREATES) {
		after = look(p);
		moved(s, parent.st_mtim, after.st_ctim, true, op->name, "the new ctime to now");
	} else if (op->is & REMOVES && op->on != DIRECTORY) {
		after = look(other);
		moved(s, before.st_ctim, after.st_ctim, true, op->name,
		        "the ctime of another link");
		moved(s, before.st_mtim, after.st_mtim, false, op->name,
		        "the mtime of another link");
	} else if (!named) {
		after = look(p);
		moved(s, before.st_ctim, after.st_ctim, !(op->is & QUIET), op->name, "the ctime");
		if (op->is & WRITES)
			moved(s, before.st_mtim, after.st_mtim, true, op->name, "the mtime");
	}
}

static void failure(struct suite *s, const struct op *op)
{
	bool named = op->is & (CREATES | REMOVES);
	char *dir = make_dir(s, 0777, ROOT), *p = path(s, "%s/x", dir);
	struct stat parent, before = {0}, after;

	prepare(s, op, p, OTHER);
	must(chmod(dir, named ? 0555 : 0));
	parent = look(dir);
	if (!(op->is & CREATES))
		before = look(p);
	tick(s);
	attempt_as(s, OTHER, op, EACCES, p, "without the right, at a later time");
	of_parent(s, dir, parent, false, path(s, "a failing %s", op->name));
	if (op->is & CREATES)
		return;
	after = look(p);
	moved(s, before.st_ctim, after.st_ctim, false, op->name, "the ctime when it fails");
	moved(s, before.st_mtim, after.st_mtim, false, op->name, "the mtime when it fails");
}

void times_matrix(struct suite *s, const struct op *op)
{
	success(s, op);
	failure(s, op);
}
