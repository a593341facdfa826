/* SPDX-License-Identifier: MIT
 * The operations: each does one thing to the file system and the same to the model. */
#include "operations.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

static bool create(struct worker *w)
{
	int i = new_entry(w, pick_parent(w)), fd;
	mode_t mode = 0600 | (pick(w, 0200) & 0177);
	char path[PATH_MAX];

	if (i < 0)
		return true;
	entry_path(w, w->run->dir, i, path);
	note(w, "create %s mode %o", path, mode);
	fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, mode);
	if (!did(w, fd))
		return false;
	close(fd);
	w->entries[i].node = new_node(FILE_NODE, mode);
	return true;
}

static bool make_directory(struct worker *w)
{
	int i = new_entry(w, pick_parent(w));
	mode_t mode = 0700 | (pick(w, 0100) & 077);
	char path[PATH_MAX];

	if (i < 0)
		return true;
	entry_path(w, w->run->dir, i, path);
	note(w, "mkdir %s mode %o", path, mode);
	if (!did(w, mkdir(path, mode)))
		return false;
	w->entries[i].node = new_node(DIR_NODE, mode);
	return true;
}

static bool make_symlink(struct worker *w)
{
	int i = new_entry(w, pick_parent(w));
	char path[PATH_MAX];
	struct node *n;

	if (i < 0)
		return true;
	n = new_node(LINK_NODE, 0777);
	w->entries[i].node = n;
	snprintf(n->target, sizeof n->target, "../%u/%.*s", pick(w, 1000), (int)pick(w, 40),
	        "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx");
	entry_path(w, w->run->dir, i, path);
	note(w, "symlink %s to %s", path, n->target);
	return did(w, symlink(n->target, path));
}

/* FUSE's kernel counts a file's names itself when one goes. Where somebody looked at the file in
 * that very moment it has counted twice, and takes the file for one that is gone (vfs_link():
 * ENOENT) until it is looked at again. */
static int link_to(const char *old, const char *path)
{
	struct stat st;
	int r = link(old, path);

	if (r < 0 && errno == ENOENT && lstat(old, &st) == 0 && st.st_nlink > 0)
		r = link(old, path);
	return r;
}

static bool make_link(struct worker *w)
{
	int from = pick_entry(w, FILE_NODE | LINK_NODE), to;
	char old[PATH_MAX], path[PATH_MAX];

	if (from < 0)
		return true;
	to = new_entry(w, pick_parent(w));
	if (to < 0)
		return true;
	entry_path(w, w->run->dir, from, old);
	entry_path(w, w->run->dir, to, path);
	note(w, "link %s to %s", old, path);
	if (!did(w, link_to(old, path)))
		return false;
	w->entries[to].node = w->entries[from].node;
	w->entries[to].node->links++;
	return true;
}

static bool take_away(struct worker *w)
{
	int i = pick_entry(w, FILE_NODE | LINK_NODE);
	char path[PATH_MAX];

	if (i < 0)
		return true;
	entry_path(w, w->run->dir, i, path);
	note(w, "unlink %s", path);
	if (!did(w, unlink(path)))
		return false;
	drop_entry(w, i);
	return true;
}

static bool remove_directory(struct worker *w)
{
	int i = pick_entry(w, DIR_NODE);
	char path[PATH_MAX];
	bool full;

	if (i < 0)
		return true;
	full = has_children(w, i);
	entry_path(w, w->run->dir, i, path);
	note(w, "rmdir %s%s", path, full ? ", which is not empty" : "");
	if (full)
		return (rmdir(path) < 0 && errno == ENOTEMPTY) || fail(w, "it is not refused");
	if (!did(w, rmdir(path)))
		return false;
	drop_entry(w, i);
	return true;
}

/* To a new name, in any directory that it does not contain */
static bool move(struct worker *w)
{
	int i = pick_entry(w, FILE_NODE | DIR_NODE | LINK_NODE), parent = pick_parent(w), to;
	char old[PATH_MAX], path[PATH_MAX];
	bool into_itself;

	if (i < 0 || depth_of(w, parent) + depth_below(w, i) >= MAX_DEPTH)
		return true;
	to = new_entry(w, parent);
	if (to < 0)
		return true;
	into_itself = parent == i || (parent >= 0 && is_below(w, parent, i));
	entry_path(w, w->run->dir, i, old);
	entry_path(w, w->run->dir, to, path);
	note(w, "rename %s to %s", old, path);
	if (into_itself)
		return (rename(old, path) < 0 && errno == EINVAL) || fail(w, "it is not refused");
	if (!did(w, rename(old, path)))
		return false;
	w->entries[i].parent = parent;
	memcpy(w->entries[i].name, w->entries[to].name, sizeof w->entries[i].name);
	return true;
}

/* A file or link over another; over a link to the same file it does nothing. */
static bool replace(struct worker *w)
{
	int i = pick_entry(w, FILE_NODE | LINK_NODE), j = pick_entry(w, FILE_NODE | LINK_NODE);
	char old[PATH_MAX], path[PATH_MAX];
	struct node *n;

	if (i < 0 || i == j)
		return true;
	entry_path(w, w->run->dir, i, old);
	entry_path(w, w->run->dir, j, path);
	note(w, "rename %s over %s", old, path);
	if (!did(w, rename(old, path)))
		return false;
	n = w->entries[i].node;
	if (n == w->entries[j].node)
		return true;
	drop_entry(w, j);
	w->entries[j].node = n;
	w->entries[i].node = NULL;
	return true;
}

static bool exchange(struct worker *w)
{
	int i = pick_entry(w, FILE_NODE | DIR_NODE | LINK_NODE),
	    j = pick_entry(w, FILE_NODE | DIR_NODE | LINK_NODE);
	char old[PATH_MAX], path[PATH_MAX];
	struct node *n;

	if (i < 0 || i == j || is_below(w, i, j) || is_below(w, j, i) ||
	        depth_of(w, i) + depth_below(w, j) > MAX_DEPTH ||
	        depth_of(w, j) + depth_below(w, i) > MAX_DEPTH)
		return true;
	entry_path(w, w->run->dir, i, old);
	entry_path(w, w->run->dir, j, path);
	note(w, "exchange %s and %s", old, path);
	if (!did(w, renameat2(AT_FDCWD, old, AT_FDCWD, path, 2 /* RENAME_EXCHANGE */)))
		return false;
	n = w->entries[i].node;
	w->entries[i].node = w->entries[j].node;
	w->entries[j].node = n;
	for (int k = 0; k < ENTRIES; k++)
		if (w->entries[k].node && (w->entries[k].parent == i || w->entries[k].parent == j))
			w->entries[k].parent = w->entries[k].parent == i ? j : i;
	return true;
}

static bool change_mode(struct worker *w)
{
	int i = pick_entry(w, FILE_NODE | DIR_NODE);
	mode_t mode;
	char path[PATH_MAX];

	if (i < 0)
		return true;
	mode = (w->entries[i].node->kind == DIR_NODE ? 0700 : 0600) | (pick(w, 0200) & 0177);
	entry_path(w, w->run->dir, i, path);
	note(w, "chmod %s to %o", path, mode);
	w->entries[i].node->mode = mode;
	return did(w, chmod(path, mode));
}

static bool change_xattr(struct worker *w)
{
	int i = pick_entry(w, FILE_NODE | DIR_NODE);
	char path[PATH_MAX];
	struct node *n;

	if (i < 0)
		return true;
	n = w->entries[i].node;
	entry_path(w, w->run->dir, i, path);
	if (n->xattr_size && pick(w, 3) == 0) {
		note(w, "removexattr %s", path);
		n->xattr_size = 0;
		return did(w, removexattr(path, "user.stress"));
	}
	n->xattr_size = 1 + pick(w, sizeof n->xattr - 1);
	for (size_t k = 0; k < n->xattr_size; k++)
		n->xattr[k] = (unsigned char)pick(w, 256);
	note(w, "setxattr %s, %zu bytes", path, n->xattr_size);
	return did(w, setxattr(path, "user.stress", n->xattr, n->xattr_size, 0));
}

static bool look_at_one(struct worker *w)
{
	int i = pick_entry(w, FILE_NODE | DIR_NODE | LINK_NODE);

	if (i < 0)
		return true;
	note(w, "look at entry %d", i);
	return verify_file(w, w->run->dir, i);
}

static bool list_one(struct worker *w)
{
	int parent = pick_parent(w);

	note(w, "list directory %d", parent);
	return verify_dir(w, w->run->dir, parent);
}

static const struct {
	bool (*run)(struct worker *w);
	unsigned weight;
} operations[] = {{create, 10}, {make_directory, 3}, {make_symlink, 2}, {make_link, 4},
        {take_away, 9}, {remove_directory, 3}, {move, 6}, {replace, 3}, {exchange, 2},
        {change_mode, 3}, {change_xattr, 3}, {look_at_one, 8}, {list_one, 4}, {write_some, 16},
        {append_some, 6}, {read_some, 10}, {set_size, 5}, {allocate, 3}, {write_mapped, 5},
        {unlinked_open, 2}};

bool operate(struct worker *w)
{
	unsigned all = 0, n;
	size_t i;

	for (i = 0; i < sizeof operations / sizeof *operations; i++)
		all += operations[i].weight;
	n = pick(w, all);
	for (i = 0; n >= operations[i].weight; i++)
		n -= operations[i].weight;
	return operations[i].run(w);
}
