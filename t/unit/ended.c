/* SPDX-License-Identifier: MIT */
#include "ended.h"
#include "cleanup.h"
#include "clog.h"
#include "json.h"
#include "strv.h"
#include "tap.h"
#include "tmpdir.h"
#include "vms.h"
#include "xio.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

static int keep(const char *data, const char *name, int exit_status, int run_dir)
{
	auto_json json_t *state = json_pack("{s:s, s:i}", "name", name, "exit", exit_status);
	struct err e = {.text = ""};
	int r = ended_keep(data, name, state, run_dir, &e);

	if (r < 0)
		diag("%s", e.text);
	return r;
}

static int exit_of(struct tmpdir *d, const char *name)
{
	auto_free char *path = xasprintf("data/ended/%s/" VMS_STATE, name);
	auto_json json_t *j = json_load_at(d->fd, path, NULL);

	return j ? (int)json_integer_value(json_object_get(j, "exit")) : -1;
}

static bool there(struct tmpdir *d, const char *path)
{
	return faccessat(d->fd, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

static void kept(struct tmpdir *d, const char *data, int run)
{
	auto_free char *text = NULL;
	struct stat st;
	size_t n;

	is_int(keep(data, "web", 3, run), 0, "a VM without a log is kept");
	is_int(exit_of(d, "web"), 3, "with its state");
	ok(!there(d, "data/ended/web/log"), "and no log");
	fstatat(d->fd, "data/ended", &st, 0);
	is_int(st.st_mode & 0777, 0700, "for its user alone");

	mkdirat(run, "log", 0700);
	mkdirat(run, "log/3", 0700);
	put_file_at(run, "log/1", "one\n", 4, 0600);
	put_file_at(run, "log/2", "two\n", 4, 0600);
	put_file_at(run, "log/x", "no", 2, 0600);
	is_int(keep(data, "web", 4, run), -1, "what is no segment fails");
	is_int(exit_of(d, "web"), 3, "and leaves the old record");
	ok(!there(d, "data/ended/.new"), "and nothing half made");
	unlinkat(run, "log/3", AT_REMOVEDIR);
	is_int(keep(data, "web", 4, run), 0, "the next of that name is kept");
	is_int(exit_of(d, "web"), 4, "in its place");
	is_int(read_file_at(d->fd, "data/ended/web/log/2", 100, &text, &n), 0, "with its log");
	is_str(text, "two\n", "as it was");
	ok(!there(d, "data/ended/web/log/x"), "and nothing else");
}

static void after_a_crash(struct tmpdir *d, const char *data, int run)
{
	mkdirat(d->fd, "data/ended/.new", 0700);
	put_file_at(d->fd, "data/ended/.new/" VMS_STATE, "{", 1, 0600);
	mkdirat(d->fd, "data/ended/.old", 0700);
	put_file_at(d->fd, "data/ended/.old/x", "x", 1, 0600);
	is_int(keep(data, "db", 1, run), 0, "remains of a crash are in nobody's way");
	is_int(exit_of(d, "db"), 1, "the record is whole");
	is_int(ended_remove(data, "db", NULL), 1, "a record is removed");
	ok(!there(d, "data/ended/db") && !there(d, "data/ended/.old") &&
	                !there(d, "data/ended/.new"),
	        "with the remains");
	is_int(ended_remove(data, "db", NULL), 0, "only once");
	is_int(ended_remove(data, ".lock", NULL), 0, "the lock is no record");
	is_int(ended_remove(data, "../ended", NULL), 0, "nor is a path");
	is_int(ended_remove("/nonexistent", "db", NULL), 0,
	        "and where there is nothing there is none");
}

static void limited(struct tmpdir *d, const char *data, int run)
{
	char name[16], path[64];
	const struct timespec old[2] = {{.tv_sec = 1000}, {.tv_sec = 1000}};

	for (int i = 1; i <= ENDED_MAX; i++) {
		snprintf(name, sizeof name, "vm%d", i);
		if (keep(data, name, 0, run) < 0)
			break;
	}
	ok(!there(d, "data/ended/web"), "the oldest goes");
	ok(there(d, "data/ended/vm1"), "when there are too many");
	snprintf(path, sizeof path, "data/ended/vm%d", ENDED_MAX / 2);
	utimensat(d->fd, path, old, 0);
	keep(data, "new", 0, run);
	ok(!there(d, path), "the oldest is that by its time");
	ok(there(d, "data/ended/vm1"), "not by its name");
}

int main(void)
{
	auto_tmpdir struct tmpdir d = tmpdir_make();
	auto_free char *data = xasprintf("%s/data", d.path);
	auto_fd int run = -1;

	mkdirat(d.fd, "run", 0700);
	run = openat(d.fd, "run", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	kept(&d, data, run);
	after_a_crash(&d, data, run);
	limited(&d, data, run);
	return done();
}
