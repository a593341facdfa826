/* SPDX-License-Identifier: MIT
 * The table of nodes: by id for the guest, by device and inode for us. Each holds an O_PATH
 * descriptor, so that its inode cannot be another's. When there are too many of these, those that
 * were not used lately are closed and found again where the guest last saw them; if another file is
 * there by then, the answer is ESTALE, upon which the guest's kernel looks the path up anew. */
#include "vs.h"
#include "strv.h"

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FEW         64 /* nodes */
#define MIN_BUCKETS 1024
#define DEPTH_MAX   4096 /* directories above a node that is to be found again */

static uint32_t hash(dev_t dev, ino_t ino)
{
	uint64_t h = (uint64_t)ino * 0x9e3779b97f4a7c15u ^ (uint64_t)dev * 0xc2b2ae3d27d4eb4fu;

	return (uint32_t)(h >> 32);
}

static struct vs_node **bucket(const struct vs_nodes *t, dev_t dev, ino_t ino)
{
	return &t->buckets[hash(dev, ino) & (t->n_buckets - 1)];
}

static struct vs_node *seek(const struct vs_nodes *t, dev_t dev, ino_t ino)
{
	struct vs_node *n = *bucket(t, dev, ino);

	while (n && (n->ino != ino || n->dev != dev))
		n = n->next;
	return n;
}

/* With the live nodes four times fewer or more, the memory is not what it should be. */
static void resize(struct vs_nodes *t)
{
	uint32_t want = t->n_buckets;
	struct vs_node **old = t->buckets, **fresh;
	uint32_t n_old = t->n_buckets;

	if (t->live > t->n_buckets * 2)
		want = t->n_buckets * 4;
	else if (t->n_buckets > MIN_BUCKETS && t->live < t->n_buckets / 8)
		want = t->n_buckets / 4;
	if (want == n_old)
		return;
	fresh = calloc(want, sizeof *fresh);
	if (!fresh)
		return; /* slower is better than not at all */
	t->buckets = fresh;
	t->n_buckets = want;
	for (uint32_t i = 0; i < n_old; i++)
		for (struct vs_node *n = old[i], *next; n; n = next) {
			struct vs_node **b = bucket(t, n->dev, n->ino);

			next = n->next;
			n->next = *b;
			*b = n;
		}
	free(old);
}

static void close_fd(struct vs_nodes *t, struct vs_node *n)
{
	if (n->fd < 0)
		return;
	close(n->fd);
	n->fd = -1;
	t->open--;
}

/* The hand of a clock goes round: who was used since the last round gets another one. */
static bool evict(struct vs_nodes *t, uint32_t wanted)
{
	uint32_t done = 0;

	for (uint64_t i = 0; i < (uint64_t)t->n_slots * 2 && done < wanted; i++) {
		struct vs_node *n;

		t->hand = t->hand + 1 < t->n_slots ? t->hand + 1 : 2;
		n = t->hand < t->n_slots ? t->slots[t->hand] : NULL;
		if (!n || n->fd < 0 || n->pins || !n->name)
			continue;
		if (n->used) {
			n->used = false;
			continue;
		}
		close_fd(t, n);
		done++;
	}
	return done > 0;
}

bool vs_nodes_shrink(struct vs_nodes *t)
{
	bool some;

	pthread_mutex_lock(&t->lock);
	some = evict(t, 64);
	pthread_mutex_unlock(&t->lock);
	return some;
}

static void take_fd(struct vs_nodes *t, struct vs_node *n, int fd)
{
	n->fd = fd;
	n->used = true;
	t->open++;
	if (t->open > t->open_max)
		evict(t, t->open - t->open_max + t->open_max / 64);
}

int vs_nodes_init(struct vs_nodes *t, int root_fd, uint32_t open_max)
{
	struct vs_node *root = xcalloc(1, sizeof *root);
	struct stat st;

	pthread_mutex_init(&t->lock, NULL);
	t->buckets = xcalloc(MIN_BUCKETS, sizeof *t->buckets);
	t->n_buckets = MIN_BUCKETS;
	t->open_max = open_max;
	root->fd = fcntl(root_fd, F_DUPFD_CLOEXEC, 3);
	if (root->fd < 0 || fstat(root->fd, &st) < 0 || !vs_slots_more(t)) {
		int r = -errno;

		free(root);
		return r;
	}
	t->free_hint = 2;
	t->hand = 1;
	t->dev = st.st_dev;
	root->id = FUSE_ROOT_ID;
	root->lookups = root->pins = 1;
	root->type = st.st_mode & S_IFMT;
	root->dev = st.st_dev;
	root->ino = st.st_ino;
	root->watch = -1;
	t->slots[FUSE_ROOT_ID] = root;
	*bucket(t, root->dev, root->ino) = root;
	t->open = t->live = 1;
	return 0;
}

void vs_nodes_free(struct vs_nodes *t)
{
	for (uint32_t i = 0; i < t->n_slots; i++) {
		struct vs_node *n = t->slots[i];

		if (!n)
			continue;
		close_fd(t, n);
		free(n->name);
		free(n);
	}
	free(t->slots);
	free(t->buckets);
	pthread_mutex_destroy(&t->lock);
	*t = (struct vs_nodes){0};
	malloc_trim(0);
}

static struct vs_node *by_id(const struct vs_nodes *t, uint64_t id)
{
	return id < t->n_slots ? t->slots[id] : NULL;
}

struct vs_node *vs_node_get(struct vs_nodes *t, uint64_t id)
{
	struct vs_node *n;

	pthread_mutex_lock(&t->lock);
	n = by_id(t, id);
	if (n && n->lookups) {
		n->pins++;
		n->used = true;
	} else {
		n = NULL;
	}
	pthread_mutex_unlock(&t->lock);
	return n;
}

/* Memory goes back to the system when most of what was known is forgotten; and when few are left,
 * of which one may have kept the table of numbers large, with each that could be that one. */
static void give_back(struct vs_nodes *t, uint64_t id)
{
	resize(t);
	if (t->live > t->peak)
		t->peak = t->live;
	if (t->live > t->peak / 4 || t->peak < FEW) {
		if (t->live < FEW && id >= t->n_slots / 2 && vs_slots_fewer(t))
			malloc_trim(0);
		return;
	}
	t->peak = t->live;
	vs_slots_fewer(t);
	malloc_trim(0);
}

static void drop_if_unused(struct vs_nodes *t, struct vs_node *n)
{
	struct vs_node **at;
	uint64_t id;

	if (n->lookups || n->pins)
		return;
	for (at = bucket(t, n->dev, n->ino); *at != n; at = &(*at)->next)
		;
	*at = n->next;
	t->slots[n->id] = NULL;
	if (n->id < t->free_hint)
		t->free_hint = (uint32_t)n->id;
	if (t->gone)
		t->gone(n, t->ctx);
	close_fd(t, n);
	t->live--;
	id = n->id;
	free(n->name);
	free(n);
	give_back(t, id);
}

void vs_node_put(struct vs_nodes *t, struct vs_node *n)
{
	if (!n)
		return;
	pthread_mutex_lock(&t->lock);
	n->pins--;
	drop_if_unused(t, n);
	pthread_mutex_unlock(&t->lock);
}

bool vs_node_forget(struct vs_nodes *t, uint64_t id, uint64_t count)
{
	struct vs_node *n;
	bool ok;

	pthread_mutex_lock(&t->lock);
	n = by_id(t, id);
	ok = n && n->lookups >= count;
	if (ok && id != FUSE_ROOT_ID) {
		n->lookups -= count;
		drop_if_unused(t, n);
	}
	pthread_mutex_unlock(&t->lock);
	return ok || id == FUSE_ROOT_ID;
}

/* From the nearest directory that is open down to the node; with the lock held. */
static int reopen_chain(struct vs_nodes *t, struct vs_node *n)
{
	struct vs_node *chain[DEPTH_MAX], *up = n;
	uint32_t depth = 0;

	while (up && up->fd < 0 && depth < DEPTH_MAX) {
		chain[depth++] = up;
		up = up->name ? by_id(t, up->parent) : NULL;
	}
	if (!up || up->fd < 0)
		return -ESTALE;
	while (depth > 0) {
		struct vs_node *child = chain[--depth];
		int fd = vs_find_again(child, up->fd);

		if (fd < 0)
			return fd;
		/* Not to be closed by what opening the next one closes. */
		child->pins++;
		take_fd(t, child, fd);
		child->pins--;
		up = child;
	}
	return n->fd;
}

int vs_node_fd(struct vs_nodes *t, struct vs_node *n)
{
	int fd;

	pthread_mutex_lock(&t->lock);
	fd = n->fd >= 0 ? n->fd : reopen_chain(t, n);
	pthread_mutex_unlock(&t->lock);
	return fd;
}

static void place(struct vs_node *n, uint64_t parent, const char *name)
{
	n->lost = false;
	if (n->id == FUSE_ROOT_ID || (n->name && n->parent == parent && !strcmp(n->name, name)))
		return;
	free(n->name);
	n->name = strdup(name);
	n->parent = parent;
}

bool vs_node_join(struct vs_nodes *t, struct vs_node *n)
{
	struct vs_node **b = bucket(t, n->dev, n->ino);

	if (seek(t, n->dev, n->ino))
		return false;
	n->next = *b;
	*b = n;
	resize(t);
	return true;
}

static struct vs_node *fresh_node(struct vs_nodes *t, const struct stat *st)
{
	struct vs_node *n = calloc(1, sizeof *n);

	if (!n)
		return NULL;
	n->id = vs_slot_free(t);
	if (!n->id) {
		free(n);
		return NULL;
	}
	n->generation = ++t->generation;
	n->fd = n->watch = -1;
	n->type = st->st_mode & S_IFMT;
	n->dev = st->st_dev;
	n->ino = st->st_ino;
	t->slots[n->id] = n;
	t->live++;
	vs_node_join(t, n);
	return n;
}

struct vs_node *vs_node_of(struct vs_nodes *t, int fd, const struct stat *st, uint64_t parent,
        const char *name, uint64_t lookups)
{
	struct vs_node *n;

	pthread_mutex_lock(&t->lock);
	n = seek(t, st->st_dev, st->st_ino);
	if (!n)
		n = fresh_node(t, st);
	if (n) {
		n->pins++;
		n->lookups += lookups;
		n->used = true;
		place(n, parent, name);
		/* An inode that came back as another type while its descriptor was closed. */
		n->type = st->st_mode & S_IFMT;
	}
	if (n && n->fd < 0)
		take_fd(t, n, fd);
	else
		close(fd);
	pthread_mutex_unlock(&t->lock);
	return n;
}

void vs_node_place(
        struct vs_nodes *t, struct vs_node *n, uint64_t parent, const char *name, uint64_t told)
{
	pthread_mutex_lock(&t->lock);
	place(n, parent, name);
	n->told = told;
	pthread_mutex_unlock(&t->lock);
}

struct vs_node *vs_node_find(struct vs_nodes *t, dev_t dev, ino_t ino)
{
	struct vs_node *n;

	pthread_mutex_lock(&t->lock);
	n = seek(t, dev, ino);
	if (n)
		n->pins++;
	pthread_mutex_unlock(&t->lock);
	return n;
}
