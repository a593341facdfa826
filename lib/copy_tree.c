/* SPDX-License-Identifier: MIT */
#include "copy_tree.h"
#include "cleanup.h"
#include "links.h"
#include "strv.h"
#include "xio.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

struct copy {
	int root;
	struct links links; /* under what they were copied, below root */
	char *path; /* of the directory that is being copied, "" or with a slash at its end */
};

static int copy_dir(struct copy *c, int from, int to);

/* 1: it was copied under another name, and got this one as well. */
static int link_again(const struct copy *c, const struct stat *st, int to, const char *name)
{
	const char *first = links_find(&c->links, st);

	return first && linkat(c->root, first, to, name, 0) == 0;
}

static void remember(struct copy *c, const struct stat *st, const char *name)
{
	auto_free char *path = st->st_nlink > 1 ? xasprintf("%s%s", c->path, name) : NULL;

	if (path)
		links_add(&c->links, st, path);
}

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

static int copy_subdir(struct copy *c, int from, int to, const char *name)
{
	auto_free char *path = xasprintf("%s%s/", c->path, name);
	char *above = c->path;
	int r;
	auto_fd int in = openat(from, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	auto_fd int out = -1;

	if (in < 0 || mkdirat(to, name, 0700) < 0)
		return -errno;
	out = openat(to, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (out < 0)
		return -errno;
	c->path = path;
	r = copy_dir(c, in, out);
	c->path = above;
	return r;
}

static int copy_entry(struct copy *c, int from, int to, const char *name)
{
	struct stat st;
	int r;

	if (fstatat(from, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	if (!S_ISDIR(st.st_mode) && link_again(c, &st, to, name))
		return 0;
	if (S_ISDIR(st.st_mode))
		r = copy_subdir(c, from, to, name);
	else if (S_ISREG(st.st_mode))
		r = copy_file(from, to, name);
	else if (S_ISLNK(st.st_mode))
		r = copy_link(from, to, name);
	else
		r = mknodat(to, name, st.st_mode, st.st_rdev) < 0 ? -errno : 0;
	if (r < 0)
		return r;
	if (!S_ISDIR(st.st_mode))
		remember(c, &st, name);
	if (fchownat(to, name, st.st_uid, st.st_gid, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	if (!S_ISLNK(st.st_mode) && fchmodat(to, name, st.st_mode & 07777, 0) < 0)
		return -errno;
	return utimensat(to, name, (struct timespec[2]){st.st_atim, st.st_mtim},
	               AT_SYMLINK_NOFOLLOW) < 0
	               ? -errno
	               : 0;
}

static int copy_dir(struct copy *c, int from, int to)
{
	int dup_fd = openat(from, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = dup_fd < 0 ? NULL : fdopendir(dup_fd);
	struct dirent *ent;
	int r = 0;

	if (!d)
		return -errno;
	while (!r && (ent = readdir(d)))
		if (strcmp(ent->d_name, ".") && strcmp(ent->d_name, ".."))
			r = copy_entry(c, from, to, ent->d_name);
	closedir(d);
	return r;
}

int copy_tree_at(int from, int to)
{
	char top[] = "";
	struct copy c = {.root = to, .path = top};
	int r = copy_dir(&c, from, to);

	links_free(&c.links);
	return r;
}

int copy_tree(int from, const char *to, struct err *e)
{
	auto_fd int out = open(to, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int r = out < 0 ? -errno : copy_tree_at(from, out);

	if (r == 0)
		return 0;
	errno = -r;
	return err_sys(e, "cannot copy what the image has at %s into its tmpfs", to);
}
