/* SPDX-License-Identifier: MIT */
#include "ftree.h"
#include "status.h"
#include "strv.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

static uint32_t hash_of(
        const struct ftree *t, const struct fnode *dir, const char *name, size_t len)
{
	uint64_t h = ((uintptr_t)dir >> 3) * 0x9e3779b97f4a7c15u ^ t->seed;

	for (size_t i = 0; i < len; i++)
		h = (h ^ (unsigned char)name[i]) * 0x100000001b3u;
	return (uint32_t)(h >> 32 ^ h);
}

static void rehash(struct ftree *t, size_t n)
{
	struct fnode **old = t->buckets;
	size_t n_old = t->n_buckets;

	t->buckets = xcalloc(n, sizeof *t->buckets);
	t->n_buckets = n;
	for (size_t i = 0; i < n_old; i++)
		for (struct fnode *p = old[i], *next; p; p = next) {
			struct fnode **b = &t->buckets[p->hash & (n - 1)];

			next = p->chain;
			p->chain = *b;
			*b = p;
		}
	free(old);
}

struct finode *ftree_inode(struct ftree *t, const struct ltar_entry *n, uint32_t ordinal)
{
	struct finode *i = arena_get(&t->arena, sizeof *i);

	i->e = *n;
	i->e.name = NULL;
	i->e.link = arena_copy(&t->arena, n->link, strlen(n->link));
	i->e.xattrs = NULL;
	if (n->xattrs_len)
		i->e.xattrs = (const uint8_t *)arena_copy(&t->arena, n->xattrs, n->xattrs_len);
	i->layer = t->layer;
	i->ordinal = ordinal;
	return i;
}

void ftree_init(struct ftree *t, struct layer_budget *b)
{
	static const struct ltar_entry dir = {.type = '5', .link = "", .mode = 0755};

	*t = (struct ftree){.budget = b};
	if (getrandom(&t->seed, sizeof t->seed, 0) != sizeof t->seed)
		abort();
	rehash(t, 1024);
	t->root = arena_get(&t->arena, sizeof *t->root);
	t->root->name = "";
	t->root->ino = ftree_inode(t, &dir, 0);
	t->root->ino->nlink = 1;
}

void ftree_free(struct ftree *t)
{
	arena_free(&t->arena);
	free(t->buckets);
	*t = (struct ftree){0};
}

void ftree_begin_layer(struct ftree *t)
{
	t->layer++;
}

struct fnode *ftree_lookup(struct ftree *t, struct fnode *dir, const char *name, size_t len)
{
	uint32_t h = hash_of(t, dir, name, len);
	struct fnode *p = t->buckets[h & (t->n_buckets - 1)];

	while (p &&
	        !(p->hash == h && p->parent == dir && p->len == len && !memcmp(p->name, name, len)))
		p = p->chain;
	return p;
}

struct fnode *ftree_add(struct ftree *t, struct fnode *dir, const char *name, size_t len,
        struct finode *ino, struct err *e)
{
	size_t path_len = dir->path_len + (dir->path_len ? 1 : 0) + len;
	struct fnode *n, **b;

	if (len > 255) {
		err_set(e, FCVM_EX_DATA, "a name is longer than 255 bytes");
		return NULL;
	}
	if (path_len > FTREE_PATH_MAX) {
		err_set(e, FCVM_EX_DATA, "the path is longer than %d bytes", FTREE_PATH_MAX);
		return NULL;
	}
	if (++t->n_nodes > t->n_buckets)
		rehash(t, t->n_buckets * 2);
	n = arena_get(&t->arena, sizeof *n);
	n->name = arena_copy(&t->arena, name, len);
	n->len = (uint16_t)len;
	n->path_len = (uint16_t)path_len;
	n->born = t->layer;
	n->hash = hash_of(t, dir, name, len);
	n->ino = ino;
	ino->nlink++;
	b = &t->buckets[n->hash & (t->n_buckets - 1)];
	n->chain = *b;
	*b = n;
	n->parent = dir;
	n->next = dir->child;
	if (n->next)
		n->next->prev = n;
	dir->child = n;
	return n;
}

/* Recursion is bounded by FTREE_PATH_MAX / 2 levels. */
void ftree_remove(struct ftree *t, struct fnode *n)
{
	struct fnode **b = &t->buckets[n->hash & (t->n_buckets - 1)];

	while (n->child)
		ftree_remove(t, n->child);
	while (*b != n)
		b = &(*b)->chain;
	*b = n->chain;
	if (n->prev)
		n->prev->next = n->next;
	else
		n->parent->child = n->next;
	if (n->next)
		n->next->prev = n->prev;
	n->ino->nlink--;
	t->n_nodes--;
}

struct fnode *ftree_find(struct ftree *t, const char *path)
{
	struct fnode *n = t->root;

	while (n && *path) {
		size_t len = strcspn(path, "/");

		if (len)
			n = ftree_lookup(t, n, path, len);
		path += len;
		path += *path == '/';
	}
	return n;
}

void ftree_path(const struct fnode *n, char out[FTREE_PATH_MAX + 1])
{
	char *end = out + n->path_len;

	*end = 0;
	for (; n->parent; n = n->parent) {
		end -= n->len;
		memcpy(end, n->name, n->len);
		if (n->parent->parent)
			*--end = '/';
	}
}

struct fnode *ftree_walk(struct fnode *n)
{
	if (n->child)
		return n->child;
	while (n && !n->next)
		n = n->parent;
	return n ? n->next : NULL;
}
