/* SPDX-License-Identifier: MIT */
#include "copy_tree.h"
#include "cleanup.h"
#include "xio.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>

static int copy_dir(int from, int to);

static int copy_file(int from, int to, const char *name)
{
	auto_fd int in = openat(from, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	auto_fd int out = openat(to, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	if (in < 0 || out < 0)
		return -errno;
	return copy_sparse(in, out);
}

static int copy_link(int from, int to, const char *name)
{
	char target[PATH_MAX];
	ssize_t n = readlinkat(from, name, target, sizeof target - 1);

	if (n < 0)
		return -errno;
	target[n] = 0;
	return symlinkat(target, to, name) < 0 ? -errno : 0;
}

static int copy_subdir(int from, int to, const char *name)
{
	auto_fd int in = openat(from, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	auto_fd int out = -1;

	if (in < 0 || mkdirat(to, name, 0700) < 0)
		return -errno;
	out = openat(to, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return out < 0 ? -errno : copy_dir(in, out);
}

static int copy_entry(int from, int to, const char *name)
{
	struct stat st;
	int r;

	if (fstatat(from, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	if (S_ISDIR(st.st_mode))
		r = copy_subdir(from, to, name);
	else if (S_ISREG(st.st_mode))
		r = copy_file(from, to, name);
	else if (S_ISLNK(st.st_mode))
		r = copy_link(from, to, name);
	else
		r = mknodat(to, name, st.st_mode, st.st_rdev) < 0 ? -errno : 0;
	if (r < 0)
		return r;
	if (fchownat(to, name, st.st_uid, st.st_gid, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	if (!S_ISLNK(st.st_mode) && fchmodat(to, name, st.st_mode & 07777, 0) < 0)
		return -errno;
	return utimensat(to, name, (struct timespec[2]){st.st_atim, st.st_mtim},
	               AT_SYMLINK_NOFOLLOW) < 0
	               ? -errno
	               : 0;
}

static int copy_dir(int from, int to)
{
	int dup_fd = openat(from, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = dup_fd < 0 ? NULL : fdopendir(dup_fd);
	struct dirent *ent;
	int r = 0;

	if (!d)
		return -errno;
	while (!r && (ent = readdir(d)))
		if (strcmp(ent->d_name, ".") && strcmp(ent->d_name, ".."))
			r = copy_entry(from, to, ent->d_name);
	closedir(d);
	return r;
}

int copy_tree(int from, const char *to, struct err *e)
{
	auto_fd int out = open(to, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int r = out < 0 ? -errno : copy_dir(from, out);

	if (r == 0)
		return 0;
	errno = -r;
	return err_sys(e, "cannot copy what the image has at %s into its tmpfs", to);
}
