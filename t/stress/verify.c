/* SPDX-License-Identifier: MIT
 * Compares what is there with the model. */
#include "model.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

static bool verify_content(struct worker *w, const char *path, const struct node *n)
{
	unsigned char buf[64 << 10];
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	size_t at = 0;
	ssize_t got;

	if (fd < 0)
		return fail(w, "%s: open: %s", path, strerrorname_np(errno));
	while ((got = read(fd, buf, sizeof buf)) > 0) {
		if (at + (size_t)got > n->size)
			break;
		for (ssize_t i = 0; i < got; i++)
			if (buf[i] != n->data[at + (size_t)i]) {
				close(fd);
				return fail(w, "%s: byte %zu of %zu is %02x, not %02x", path,
				        at + (size_t)i, n->size, buf[i], n->data[at + (size_t)i]);
			}
		at += (size_t)got;
	}
	close(fd);
	if (got < 0)
		return fail(w, "%s: read at %zu: %s", path, at, strerrorname_np(errno));
	return (at == n->size && got == 0) || fail(w, "%s: has not %zu bytes", path, n->size);
}

static bool verify_xattr(struct worker *w, const char *path, const struct node *n)
{
	unsigned char got[sizeof n->xattr];
	ssize_t size = lgetxattr(path, "user.stress", got, sizeof got);

	if (n->xattr_size == 0)
		return (size < 0 && errno == ENODATA) ||
		       fail(w, "%s: an xattr of %zd bytes", path, size);
	return (size == (ssize_t)n->xattr_size && memcmp(got, n->xattr, n->xattr_size) == 0) ||
	       fail(w, "%s: its xattr is not as set", path);
}

bool verify_file(struct worker *w, const char *root, int i)
{
	const struct node *n = w->entries[i].node;
	char path[PATH_MAX], target[sizeof n->target];
	struct stat st;
	mode_t type = n->kind == FILE_NODE ? S_IFREG : n->kind == DIR_NODE ? S_IFDIR : S_IFLNK;

	entry_path(w, root, i, path);
	if (lstat(path, &st) < 0)
		return fail(w, "%s: lstat: %s", path, strerrorname_np(errno));
	if ((st.st_mode & S_IFMT) != type)
		return fail(w, "%s: its type is %o", path, st.st_mode);
	if (n->kind == LINK_NODE) {
		ssize_t len = readlink(path, target, sizeof target);

		return (len == (ssize_t)strlen(n->target) &&
		               memcmp(target, n->target, (size_t)len) == 0) ||
		       fail(w, "%s: its target is another", path);
	}
	if ((st.st_mode & 07777) != n->mode)
		return fail(w, "%s: mode %o, not %o", path, st.st_mode & 07777, n->mode);
	if (n->kind == DIR_NODE)
		return verify_xattr(w, path, n);
	if (st.st_nlink != n->links)
		return fail(w, "%s: %ju links, not %u", path, (uintmax_t)st.st_nlink, n->links);
	if ((size_t)st.st_size != n->size)
		return fail(w, "%s: size %jd, not %zu", path, (intmax_t)st.st_size, n->size);
	return verify_xattr(w, path, n) && verify_content(w, path, n);
}

static int find(const struct worker *w, int parent, const char *name)
{
	for (int i = 0; i < ENTRIES; i++)
		if (w->entries[i].node && w->entries[i].parent == parent &&
		        strcmp(w->entries[i].name, name) == 0)
			return i;
	return -1;
}

bool verify_dir(struct worker *w, const char *root, int parent)
{
	bool seen[ENTRIES] = {false}, good = true;
	char path[PATH_MAX], mine[16];
	struct dirent *e;
	DIR *d;

	parent_path(w, root, parent, path);
	snprintf(mine, sizeof mine, "t%u-", w->id);
	d = opendir(path);
	if (!d)
		return fail(w, "%s: opendir: %s", path, strerrorname_np(errno));
	while (good && (e = readdir(d))) {
		int i;

		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0 ||
		        (parent == SHARED && strncmp(e->d_name, mine, strlen(mine)) != 0))
			continue;
		i = find(w, parent, e->d_name);
		if (i < 0)
			good = fail(w, "%s: an entry %s that nobody made", path, e->d_name);
		else if (seen[i])
			good = fail(w, "%s: the entry %s twice", path, e->d_name);
		else
			seen[i] = true;
	}
	closedir(d);
	for (int i = 0; good && i < ENTRIES; i++)
		if (w->entries[i].node && w->entries[i].parent == parent && !seen[i])
			good = fail(w, "%s: no entry %s", path, w->entries[i].name);
	return good;
}

bool verify(struct worker *w, const char *root)
{
	note(w, "compare everything below %s", root);
	if (!verify_dir(w, root, OWN) || !verify_dir(w, root, SHARED))
		return false;
	for (int i = 0; i < ENTRIES; i++) {
		if (!w->entries[i].node)
			continue;
		if (!verify_file(w, root, i) ||
		        (w->entries[i].node->kind == DIR_NODE && !verify_dir(w, root, i)))
			return false;
	}
	return true;
}
