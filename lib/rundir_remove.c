/* SPDX-License-Identifier: MIT
 * Removing run directories, and knowing them: FCVM_RUN_BASE may name any directory by mistake. */
#include "cleanup.h"
#include "rundir.h"
#include "rundir_own.h"
#include "strv.h"
#include "vms.h"
#include "xio.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

/* Whether the directory holds a lock file as make_lock() makes it: ours, private, with nothing but
 * a number in it, if the number was written at all. */
static bool has_our_lock(int dir_fd)
{
	auto_fd int fd = openat(dir_fd, "lock", O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	char text[16] = "";
	struct stat st;
	size_t n;

	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_uid != geteuid() ||
	        (st.st_mode & 077) || st.st_size >= (off_t)sizeof text ||
	        read_full(fd, text, sizeof text - 1) != st.st_size)
		return false;
	n = strspn(text, "0123456789");
	return n == (size_t)st.st_size || (text[n] == '\n' && n + 1 == (size_t)st.st_size);
}

static bool is_dot(const char *name)
{
	return !strcmp(name, ".") || !strcmp(name, "..");
}

/* The lock last: a directory whose removal was cut short is still known for what it is. */
static int remove_contents(DIR *d)
{
	struct dirent *ent;
	int r = 0;

	/* The state goes first: where it is still there, nothing is missing yet. */
	unlinkat(dirfd(d), VMS_STATE, 0);
	while (r == 0 && (ent = readdir(d)))
		if (!is_dot(ent->d_name) && strcmp(ent->d_name, "lock") != 0)
			r = remove_tree_at(dirfd(d), ent->d_name);
	if (r == 0 && unlinkat(dirfd(d), "lock", 0) < 0 && errno != ENOENT)
		r = -errno;
	return r;
}

int rundir_remove(int base_fd, const char *name)
{
	DIR *d = opendir_at(base_fd, name);
	int r = 0;

	if (!d)
		return errno == ENOENT ? 0 : -errno;
	if (has_our_lock(dirfd(d)))
		r = remove_contents(d);
	closedir(d);
	if (r == 0 && unlinkat(base_fd, name, AT_REMOVEDIR) < 0 && errno != ENOENT)
		r = -errno; /* not empty: not ours */
	return r;
}

int rundir_path(int lock_fd, char *path, size_t size)
{
	static const char last[] = "/lock";
	char link[40];
	struct stat mine, there;
	ssize_t n;

	snprintf(link, sizeof link, "/proc/self/fd/%d", lock_fd);
	n = readlink(link, path, size - 1);
	if (n < (ssize_t)sizeof last || path[0] != '/')
		return -1;
	path[n] = 0;
	/* "(deleted)" is at the end of a path that is no more; and there may be another's by now.
	 */
	if (fstat(lock_fd, &mine) < 0 || lstat(path, &there) < 0 || mine.st_ino != there.st_ino ||
	        mine.st_dev != there.st_dev || strcmp(path + n - sizeof last + 1, last) != 0)
		return -1;
	path[n - (ssize_t)sizeof last + 1] = 0;
	return strrchr(path, '/') > path ? 0 : -1;
}

bool rundir_remove_own(int base_fd, int lock_fd)
{
	char path[PATH_MAX];

	if (rundir_path(lock_fd, path, sizeof path) < 0)
		return true; /* gone already */
	return rundir_remove(base_fd, strrchr(path, '/') + 1) == 0;
}

static bool is_marked(int base_fd)
{
	struct stat st;

	return fstatat(base_fd, ".lock", &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode) &&
	       st.st_uid == geteuid();
}

bool rundir_base_known(int base_fd)
{
	struct dirent *ent;
	bool empty = true;
	DIR *d;

	if (is_marked(base_fd))
		return true;
	d = opendir_at(base_fd, ".");
	if (!d)
		return false;
	while (empty && (ent = readdir(d)))
		empty = is_dot(ent->d_name);
	closedir(d);
	/* Another may just have made the lock, which comes before anything else in there. */
	return empty || is_marked(base_fd);
}
