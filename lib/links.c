/* SPDX-License-Identifier: MIT */
#include "links.h"
#include "strv.h"

#include <search.h>
#include <stdlib.h>

struct link {
	dev_t dev;
	ino_t ino;
	char *name;
};

static int by_inode(const void *a, const void *b)
{
	const struct link *x = a, *y = b;

	if (x->dev != y->dev)
		return x->dev < y->dev ? -1 : 1;
	return x->ino == y->ino ? 0 : x->ino < y->ino ? -1 : 1;
}

static void free_link(void *link)
{
	free(((struct link *)link)->name);
	free(link);
}

const char *links_find(const struct links *l, const struct stat *st)
{
	const struct link key = {st->st_dev, st->st_ino, NULL};
	struct link *const *found = st->st_nlink > 1 ? tfind(&key, &l->tree, by_inode) : NULL;

	return found ? (*found)->name : NULL;
}

void links_add(struct links *l, const struct stat *st, const char *name)
{
	struct link *new;

	if (st->st_nlink < 2)
		return;
	new = xcalloc(1, sizeof *new);
	*new = (struct link){st->st_dev, st->st_ino, xstrdup(name)};
	if (*(struct link **)tsearch(new, &l->tree, by_inode) != new)
		free_link(new);
}

void links_free(struct links *l)
{
	tdestroy(l->tree, free_link);
	l->tree = NULL;
}
