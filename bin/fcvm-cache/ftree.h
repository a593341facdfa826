/* SPDX-License-Identifier: MIT
 * The tree that an image's layers add up to, in memory and without touching any file. Layers are
 * applied oldest first, entry by entry, with the semantics of the OCI image specification ("image
 * layer filesystem changeset") as umoci unpacks them:
 *  - a later entry of a name replaces the earlier one, but a directory entry over a directory only
 *    replaces its metadata;
 *  - ".wh.NAME" and ".wh..wh..opq" remove what lower layers brought, never what this layer brought,
 *    whichever comes first in the layer;
 *  - a hard link is to the file that has the target's name at that moment, and keeps it when that
 *    name is replaced later;
 *  - directories that have no entry of their own are 0755 root:root, time 0;
 *  - an entry whose directory is reached through a symbolic link lands where a process inside the
 *    image would put it. A link that leads out of the root or to nowhere is refused. */
#ifndef CACHE_FTREE_H
#define CACHE_FTREE_H

#include "layer.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct finode {
	struct ltar_entry e;     /* name unused; link and xattrs in the tree's arena */
	uint32_t nlink;          /* names in the tree; 0: gone */
	uint32_t layer, ordinal; /* of the entry that holds a file's content */
	struct fnode *first;     /* for the caller: the name that carries the inode */
};

struct fnode {
	const char *name;
	struct fnode *parent, *child, *next, *prev; /* prev of the first child: NULL */
	struct fnode *chain;                        /* hash bucket */
	struct finode *ino;
	uint32_t hash;
	uint16_t len, path_len;
	uint16_t touched; /* the last layer that has an entry at or below this name */
	uint16_t born;    /* the layer that made this node */
	uint16_t clean;   /* the layer after whose whiteout nothing older is below */
};

struct ftree {
	struct arena arena;
	struct fnode *root;
	struct fnode **buckets;
	size_t n_buckets, n_nodes;
	uint32_t seed;
	uint16_t layer; /* being applied; the first is 1 */
	struct layer_budget *budget;
};

#define FTREE_LAYERS_MAX 1024
#define FTREE_PATH_MAX   4095

void ftree_init(struct ftree *t, struct layer_budget *b);
void ftree_free(struct ftree *t);

void ftree_begin_layer(struct ftree *t);
/* ordinal: the entry's position in its layer, from 0. 0, or -1 with e filled (names the entry). */
int ftree_apply(struct ftree *t, const struct ltar_entry *n, uint32_t ordinal, struct err *e);

/* The directory or file at a plain path without following links, or NULL. */
struct fnode *ftree_find(struct ftree *t, const char *path);

/* Writes the path without a leading slash ("" for the root) and a NUL. */
void ftree_path(const struct fnode *n, char out[FTREE_PATH_MAX + 1]);

/* The node after n in a walk that visits directories before what they hold; NULL at the end. */
struct fnode *ftree_walk(struct fnode *n);

static inline bool ftree_is_dir(const struct fnode *n)
{
	return n->ino->e.type == '5';
}

/* Inside ftree*.c: nodes. */
struct fnode *ftree_lookup(struct ftree *t, struct fnode *dir, const char *name, size_t len);
struct fnode *ftree_add(struct ftree *t, struct fnode *dir, const char *name, size_t len,
        struct finode *ino, struct err *e);
void ftree_remove(struct ftree *t, struct fnode *n);
struct finode *ftree_inode(struct ftree *t, const struct ltar_entry *n, uint32_t ordinal);

#endif
