/* SPDX-License-Identifier: MIT */
#include "ftree.h"
#include "status.h"

#include <string.h>

#define LINKS_MAX 40 /* symbolic links followed for one name, as the kernel has it */

/* One look-up of a directory, as a process whose root is the image would make it. */
struct walk {
	struct ftree *t;
	unsigned links;
	bool create;    /* make missing directories (not those that a link leads to) */
	bool forgiving; /* for whiteouts: a path that is not there is no error */
	struct err *e;
};

static struct fnode *walk(struct walk *w, struct fnode *dir, const char *path, bool through_link);

static struct fnode *refuse(struct walk *w, const char *why, const struct fnode *n)
{
	if (w->forgiving) {
		w->e = NULL;
		return NULL;
	}
	err_set(w->e, FCVM_EX_DATA, "%s '%s'", why, n->name);
	return NULL;
}

static struct fnode *follow(struct walk *w, struct fnode *link)
{
	const char *target = link->ino->e.link;
	struct fnode *dir;

	if (++w->links > LINKS_MAX)
		return refuse(w, "goes through too many symbolic links, the last is", link);
	dir = walk(w, *target == '/' ? w->t->root : link->parent, target, true);
	if (!dir && w->e && !*w->e->text)
		refuse(w, "leads out of the image or to nowhere through symbolic link", link);
	return dir;
}

static struct fnode *implied(struct walk *w, struct fnode *dir, const char *name, size_t len)
{
	static const struct ltar_entry e = {.type = '5', .link = "", .mode = 0755};

	if (layer_spend_entry(w->t->budget, w->e) < 0)
		return NULL;
	return ftree_add(w->t, dir, name, len, ftree_inode(w->t, &e, 0), w->e);
}

/* NULL: refused (w->e filled), or missing (w->e untouched). */
static struct fnode *walk(struct walk *w, struct fnode *dir, const char *path, bool through_link)
{
	while (dir && *path) {
		size_t len = strcspn(path, "/");
		const char *name = path;
		struct fnode *n;

		path += len + (path[len] == '/');
		if (len == 0 || (len == 1 && *name == '.'))
			continue;
		if (len == 2 && !memcmp(name, "..", 2)) { /* only in the targets of links */
			if (!dir->parent)
				return NULL;
			dir = dir->parent;
			continue;
		}
		n = ftree_lookup(w->t, dir, name, len);
		if (!n && (through_link || !w->create))
			return NULL;
		if (!n)
			dir = implied(w, dir, name, len);
		else if (n->ino->e.type == '2')
			dir = follow(w, n);
		else if (ftree_is_dir(n))
			dir = n;
		else
			return refuse(w, "goes through something that is no directory,", n);
	}
	return dir;
}

/* Takes "./" and doubled slashes out of a name; refuses "..". */
static int clean(const char *name, char out[FTREE_PATH_MAX + 1], struct err *e)
{
	size_t n = 0;

	*out = 0;
	while (*name) {
		size_t len = strcspn(name, "/");

		if (len == 2 && !memcmp(name, "..", 2))
			return err_set(e, FCVM_EX_DATA, "'..' in its path");
		if (len && !(len == 1 && *name == '.')) {
			if (n + 1 + len > FTREE_PATH_MAX)
				return err_set(e, FCVM_EX_DATA, "the path is longer than %d bytes",
				        FTREE_PATH_MAX);
			if (n)
				out[n++] = '/';
			memcpy(out + n, name, len);
			n += len;
			out[n] = 0;
		}
		name += len + (name[len] == '/');
	}
	return 0;
}

/* Cuts the last component off: returns it; path becomes its directory. */
static const char *split(char *path)
{
	char *slash = strrchr(path, '/');

	if (!slash) {
		static const char none[] = "";
		size_t len = strlen(path);

		memmove(path + 1, path, len + 1);
		*path = 0;
		return len ? path + 1 : none;
	}
	*slash = 0;
	return slash + 1;
}

static void touch(struct ftree *t, struct fnode *n)
{
	for (; n && n->touched != t->layer; n = n->parent)
		n->touched = t->layer;
}

/* Removes what this layer has not brought from below n. */
static void prune(struct ftree *t, struct fnode *n)
{
	if (n->clean == t->layer || n->born == t->layer)
		return;
	for (struct fnode *c = n->child, *next; c; c = next) {
		next = c->next;
		if (c->touched != t->layer)
			ftree_remove(t, c);
		else
			prune(t, c);
	}
	n->clean = t->layer;
}

static int whiteout(struct ftree *t, char *dir_path, const char *name, struct err *e)
{
	struct err local = {0};
	struct walk w = {.t = t, .forgiving = true, .e = &local};
	struct fnode *dir, *n;

	if (!*name || !strcmp(name, ".") || !strcmp(name, ".."))
		return err_set(e, FCVM_EX_DATA, "a malformed whiteout");
	dir = walk(&w, t->root, dir_path, false);
	if (!dir)
		return 0;
	if (!strcmp(name, ".wh..opq")) /* the marker is ".wh." and this */ {
		prune(t, dir);
		return 0;
	}
	n = ftree_lookup(t, dir, name, strlen(name));
	if (!n)
		return 0;
	if (n->touched != t->layer)
		ftree_remove(t, n);
	else
		prune(t, n);
	return 0;
}

static void set_metadata(struct ftree *t, struct finode *i, const struct ltar_entry *n)
{
	struct finode *fresh = ftree_inode(t, n, 0);

	i->e = fresh->e;
}

static struct fnode *hard_link(
        struct ftree *t, struct fnode *dir, const char *name, const char *link, struct err *e)
{
	char path[FTREE_PATH_MAX + 2];
	struct walk w = {.t = t, .e = e};
	const char *base;
	struct fnode *target;

	if (clean(link, path, e) < 0) {
		err_set(e, FCVM_EX_DATA,
		        "hard link to '%.100s': its target has '..' or is too long", link);
		return NULL;
	}
	base = split(path);
	target = walk(&w, t->root, path, false);
	if (!target && *e->text)
		return NULL;
	if (target && *base)
		target = ftree_lookup(t, target, base, strlen(base));
	if (!target) {
		err_set(e, FCVM_EX_DATA, "hard link to '%.100s', which the image does not have",
		        link);
		return NULL;
	}
	if (ftree_is_dir(target)) {
		err_set(e, FCVM_EX_DATA, "hard link to the directory '%.100s'", link);
		return NULL;
	}
	return ftree_add(t, dir, name, strlen(name), target->ino, e);
}

static int place(struct ftree *t, struct fnode *dir, const char *name, const struct ltar_entry *n,
        uint32_t ordinal, struct err *e)
{
	struct fnode *old = ftree_lookup(t, dir, name, strlen(name));

	if (old && n->type == '5' && ftree_is_dir(old)) {
		set_metadata(t, old->ino, n);
		touch(t, old);
		return 0;
	}
	if (old)
		ftree_remove(t, old);
	if (n->type == '2' && (!*n->link || strlen(n->link) > FTREE_PATH_MAX))
		return err_set(e, FCVM_EX_DATA, "a symbolic link with a malformed target");
	if (n->type == '1')
		old = hard_link(t, dir, name, n->link, e);
	else
		old = ftree_add(t, dir, name, strlen(name), ftree_inode(t, n, ordinal), e);
	if (!old)
		return -1;
	touch(t, old);
	return 0;
}

static int apply(struct ftree *t, const struct ltar_entry *n, uint32_t ordinal, struct err *e)
{
	char path[FTREE_PATH_MAX + 2];
	struct walk w = {.t = t, .create = true, .e = e};
	const char *name;
	struct fnode *dir;
	bool root = !strcmp(n->name, "/"); /* as umoci insert names it */

	if (*n->name == '/' && !root)
		return err_set(e, FCVM_EX_DATA, "its path is absolute");
	if (clean(root ? "." : n->name, path, e) < 0)
		return -1;
	name = split(path);
	if (!*name) {
		if (n->type != '5')
			return err_set(e, FCVM_EX_DATA, "the root is not a directory");
		set_metadata(t, t->root->ino, n);
		touch(t, t->root);
		return 0;
	}
	if (!strncmp(name, ".wh.", 4))
		return whiteout(t, path, name + 4, e);
	dir = walk(&w, t->root, path, false);
	if (!dir)
		return -1;
	return place(t, dir, name, n, ordinal, e);
}

int ftree_apply(struct ftree *t, const struct ltar_entry *n, uint32_t ordinal, struct err *e)
{
	struct err local = {0};

	if (apply(t, n, ordinal, &local) == 0)
		return 0;
	err_set(e, local.status, "%s", local.text);
	return err_prefix(e, "entry '%.300s'", n->name);
}
