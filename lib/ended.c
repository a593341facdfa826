/* SPDX-License-Identifier: MIT */
#include "ended.h"
#include "cleanup.h"
#include "clog.h"
#include "json.h"
#include "lock.h"
#include "name.h"
#include "status.h"
#include "strv.h"
#include "vms.h"
#include "xio.h"

#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#define MAKING  ".new" /* under the lock there is at most one of each; a crash may leave it */
#define LEAVING ".old"

static int copy_file(int from_dir, int to_dir, const char *name)
{
	auto_fd int from = openat(from_dir, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	auto_fd int to =
	        from < 0 ? -1 : openat(to_dir, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	return to < 0 ? -errno : copy_sparse(from, to);
}

static int copy_log(int run_dir, int record)
{
	DIR *from = opendir_at(run_dir, CLOG_DIR);
	auto_fd int to = -1;
	struct dirent *ent;
	int r = 0;

	if (!from)
		return errno == ENOENT ? 0 : -errno;
	if (mkdirat(record, CLOG_DIR, 0700) < 0 ||
	        (to = openat(record, CLOG_DIR, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0)
		r = -errno;
	while (r == 0 && (ent = readdir(from)))
		if (clog_segment(ent->d_name))
			r = copy_file(dirfd(from), to, ent->d_name);
	closedir(from);
	return r;
}

static int make(int dir, const json_t *state, int run_dir)
{
	auto_fd int record = -1;
	int r = remove_tree_at(dir, MAKING);

	if (r < 0)
		return r;
	if (mkdirat(dir, MAKING, 0700) < 0 ||
	        (record = openat(dir, MAKING, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0)
		return -errno;
	r = json_put_at(record, VMS_STATE, state, 0600);
	return r < 0 ? r : copy_log(run_dir, record);
}

/* Out of sight first, then away. */
static int drop(int dir, const char *name)
{
	int r = remove_tree_at(dir, LEAVING);

	if (r < 0)
		return r;
	if (renameat(dir, name, dir, LEAVING) < 0)
		return -errno;
	return remove_tree_at(dir, LEAVING);
}

struct record {
	char name[NAME_MAX_LEN + 1];
	struct timespec at;
};

static int oldest_first(const void *a, const void *b)
{
	const struct timespec *x = &((const struct record *)a)->at;
	const struct timespec *y = &((const struct record *)b)->at;

	if (x->tv_sec != y->tv_sec)
		return x->tv_sec < y->tv_sec ? -1 : 1;
	return (x->tv_nsec > y->tv_nsec) - (x->tv_nsec < y->tv_nsec);
}

/* All records in *out, which the caller frees; their number. */
static size_t list(DIR *d, struct record **out)
{
	struct dirent *ent;
	size_t n = 0, room = 0;

	*out = NULL;
	while ((ent = readdir(d))) {
		struct stat st;

		if (!name_valid(ent->d_name) ||
		        fstatat(dirfd(d), ent->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
			continue;
		if (n == room) {
			room = room ? 2 * room : 128;
			*out = reallocarray(*out, room, sizeof **out);
			if (!*out)
				abort();
		}
		(*out)[n].at = st.st_mtim;
		memcpy((*out)[n++].name, ent->d_name,
		        strlen(ent->d_name) + 1); /* valid, so it fits */
	}
	return n;
}

static void prune(int dir)
{
	auto_free struct record *all = NULL;
	DIR *d = opendir_at(dir, ".");
	size_t n = d ? list(d, &all) : 0;

	if (n > ENDED_MAX) {
		qsort(all, n, sizeof *all, oldest_first);
		for (size_t i = 0; i < n - ENDED_MAX; i++)
			drop(dir, all[i].name);
	}
	if (d)
		closedir(d);
}

static int place(int dir, const char *name)
{
	if (renameat2(dir, MAKING, dir, name, RENAME_NOREPLACE) == 0) {
		prune(dir);
		return 0;
	}
	if (errno != EEXIST || renameat2(dir, MAKING, dir, name, RENAME_EXCHANGE) < 0)
		return -errno;
	return remove_tree_at(dir, MAKING);
}

int ended_keep(const char *data, const char *name, const json_t *state, int run_dir, struct err *e)
{
	auto_free char *path = xasprintf("%s/" ENDED_DIR, data);
	auto_fd int dir = -1, lock = -1;
	int r = mkdir_p(path, 0700);

	if (r == 0 && (dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0)
		r = -errno;
	if (r == 0)
		r = lock = lock_file_at(dir, ".lock", true, true);
	if (r >= 0)
		r = make(dir, state, run_dir);
	if (r == 0)
		r = place(dir, name);
	if (r == 0)
		return 0;
	if (lock >= 0)
		remove_tree_at(dir, MAKING);
	errno = -r;
	return err_sys(e, "cannot keep the log of %s in %s", name, path);
}

int ended_remove(const char *data, const char *name, struct err *e)
{
	auto_free char *path = xasprintf("%s/" ENDED_DIR, data);
	auto_fd int dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC), lock = -1;
	int r;

	if (dir < 0 || !name_valid(name) || faccessat(dir, name, F_OK, AT_SYMLINK_NOFOLLOW) < 0)
		return 0;
	r = lock = lock_file_at(dir, ".lock", true, true);
	if (r >= 0)
		r = drop(dir, name);
	if (r == 0 || r == -ENOENT)
		return r == 0;
	errno = -r;
	return err_sys(e, "cannot remove %s/%s", path, name);
}
