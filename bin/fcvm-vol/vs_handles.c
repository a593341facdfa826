/* SPDX-License-Identifier: MIT
 * Open files. An id is a slot and a count, so that one that was given back is not taken for the
 * next; and a handle that a request uses is closed only after it. */
#include "vs.h"
#include "strv.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

void vs_handles_init(struct vs_handles *t)
{
	*t = (struct vs_handles){.count = 1};
	pthread_mutex_init(&t->lock, NULL);
}

void vs_handle_destroy(struct vs_handle *h)
{
	if (h->fd >= 0)
		close(h->fd);
	if (h->plain >= 0)
		close(h->plain);
	pthread_mutex_destroy(&h->lock);
	free(h->entries);
	free(h);
}

void vs_handles_free(struct vs_handles *t)
{
	for (uint32_t i = 0; i < t->n_slots; i++)
		if (t->slots[i])
			vs_handle_destroy(t->slots[i]);
	free(t->slots);
	free(t->free_list);
	pthread_mutex_destroy(&t->lock);
}

static bool more(struct vs_handles *t)
{
	uint32_t n = t->n_slots ? t->n_slots * 2 : 64;
	struct vs_handle **v = reallocarray(t->slots, n, sizeof *v);
	uint32_t *f;

	if (!v)
		return false;
	t->slots = v;
	f = reallocarray(t->free_list, n, sizeof *f);
	if (!f)
		return false;
	t->free_list = f;
	for (uint32_t i = n; i-- > t->n_slots;) {
		v[i] = NULL;
		f[t->n_free++] = i;
	}
	t->n_slots = n;
	return true;
}

int vs_handle_new(struct vs_handles *t, uint64_t node, int fd, int flags, bool dir, uint64_t *id)
{
	struct vs_handle *h = xcalloc(1, sizeof *h);
	bool ok;

	h->node = node;
	h->fd = fd;
	h->flags = flags;
	h->plain = -1;
	h->dir = dir;
	pthread_mutex_init(&h->lock, NULL);
	pthread_mutex_lock(&t->lock);
	ok = t->n_free > 0 || more(t);
	if (ok) {
		uint32_t slot = t->free_list[--t->n_free];

		*id = h->id = (uint64_t)t->count++ << 32 | slot;
		t->slots[slot] = h;
		t->live++;
	}
	pthread_mutex_unlock(&t->lock);
	if (!ok)
		vs_handle_destroy(h);
	return ok ? 0 : -ENOMEM;
}

static struct vs_handle *find(const struct vs_handles *t, uint64_t id, uint64_t node, bool dir)
{
	uint32_t slot = (uint32_t)id;
	struct vs_handle *h = slot < t->n_slots ? t->slots[slot] : NULL;

	return h && h->id == id && h->node == node && h->dir == dir && !h->closing ? h : NULL;
}

struct vs_handle *vs_handle_get(struct vs_handles *t, uint64_t id, uint64_t node, bool dir)
{
	struct vs_handle *h;

	pthread_mutex_lock(&t->lock);
	h = find(t, id, node, dir);
	if (h && h->error)
		h = NULL;
	if (h)
		h->pins++;
	pthread_mutex_unlock(&t->lock);
	return h;
}

int vs_handle_error(struct vs_handles *t, uint64_t id)
{
	uint32_t slot = (uint32_t)id;
	int error = -EBADF;

	pthread_mutex_lock(&t->lock);
	if (slot < t->n_slots && t->slots[slot] && t->slots[slot]->id == id &&
	        t->slots[slot]->error)
		error = t->slots[slot]->error;
	pthread_mutex_unlock(&t->lock);
	return error;
}

bool vs_handle_restore(struct vs_handles *t, struct vs_handle *h)
{
	uint32_t slot = (uint32_t)h->id;

	while (slot >= t->n_slots)
		if (!more(t))
			return false;
	if (t->slots[slot])
		return false;
	t->slots[slot] = h;
	t->live++;
	return true;
}

void vs_handles_restored(struct vs_handles *t)
{
	t->n_free = 0;
	for (uint32_t i = t->n_slots; i-- > 0;)
		if (!t->slots[i])
			t->free_list[t->n_free++] = i;
}

/* Takes it out of the table if nobody needs it; the caller destroys it without the lock, because
 * close(2) may take long. */
static bool unused(struct vs_handles *t, struct vs_handle *h)
{
	uint32_t slot = (uint32_t)h->id;

	if (!h->closing || h->pins)
		return false;
	t->slots[slot] = NULL;
	t->free_list[t->n_free++] = slot;
	t->live--;
	return true;
}

void vs_handle_put(struct vs_handles *t, struct vs_handle *h)
{
	bool gone;

	if (!h)
		return;
	pthread_mutex_lock(&t->lock);
	h->pins--;
	gone = unused(t, h);
	pthread_mutex_unlock(&t->lock);
	if (gone)
		vs_handle_destroy(h);
}

void vs_handle_close(struct vs_handles *t, uint64_t id, uint64_t node, bool dir)
{
	struct vs_handle *h;
	bool gone = false;

	pthread_mutex_lock(&t->lock);
	h = find(t, id, node, dir);
	if (h) {
		h->closing = true;
		gone = unused(t, h);
	}
	pthread_mutex_unlock(&t->lock);
	if (gone)
		vs_handle_destroy(h);
}
