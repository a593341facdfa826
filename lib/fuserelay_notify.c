/* SPDX-License-Identifier: MIT */
#include "fuserelay_notify.h"
#include "strv.h"

#include <errno.h>
#include <linux/fuse.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BUCKETS 4096        /* a power of two */
#define MAX     (16u << 20) /* bytes waiting */

struct note {
	struct note *next;      /* in the order of arrival */
	struct note *collision; /* in its bucket */
	uint32_t hash;
	size_t n;
	char data[];
};

struct fuserelay_notify {
	int dev;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t some, none;
	bool stop, busy; /* busy: one is being delivered */
	struct note *first, **last;
	struct note *bucket[BUCKETS];
	size_t bytes;
};

/* FNV-1a */
static uint32_t hash_of(const unsigned char *p, size_t n)
{
	uint32_t h = 2166136261u;

	while (n--)
		h = (h ^ *p++) * 16777619u;
	return h;
}

static struct note **find(struct fuserelay_notify *q, const void *data, size_t n, uint32_t hash)
{
	struct note **p = &q->bucket[hash & (BUCKETS - 1)];

	while (*p && ((*p)->hash != hash || (*p)->n != n || memcmp((*p)->data, data, n) != 0))
		p = &(*p)->collision;
	return p;
}

/* The oldest, out of the queue before it is written: one that comes from then on is about a later
 * change. */
static struct note *take(struct fuserelay_notify *q)
{
	struct note *note;

	pthread_mutex_lock(&q->lock);
	q->busy = false;
	if (!q->first)
		pthread_cond_broadcast(&q->none);
	while (!q->first && !q->stop)
		pthread_cond_wait(&q->some, &q->lock);
	note = q->stop ? NULL : q->first;
	if (note) {
		struct note **p = find(q, note->data, note->n, note->hash);

		q->busy = true;
		*p = note->collision;
		q->first = note->next;
		if (!q->first)
			q->last = &q->first;
		q->bytes -= note->n + sizeof *note;
	}
	pthread_mutex_unlock(&q->lock);
	return note;
}

void fuserelay_deliver(int dev, const void *message, size_t n)
{
	struct fuse_out_header h;

	if (write(dev, message, n) >= 0 || errno == ENOENT || errno == ENODEV)
		return;
	memcpy(&h, message, sizeof h);
	h.len = sizeof h;
	h.error = -EIO;
	if (h.unique)
		(void)!write(dev, &h, sizeof h);
}

bool fuserelay_notify_idle(struct fuserelay_notify *q)
{
	bool idle;

	pthread_mutex_lock(&q->lock);
	idle = !q->first && !q->busy;
	pthread_mutex_unlock(&q->lock);
	return idle;
}

void fuserelay_notify_wait(struct fuserelay_notify *q)
{
	pthread_mutex_lock(&q->lock);
	while ((q->first || q->busy) && !q->stop)
		pthread_cond_wait(&q->none, &q->lock);
	pthread_mutex_unlock(&q->lock);
}

static void *deliver(void *ctx)
{
	struct fuserelay_notify *q = ctx;
	struct note *note;

	while ((note = take(q))) {
		fuserelay_deliver(q->dev, note->data, note->n);
		free(note);
	}
	return NULL;
}

struct fuserelay_notify *fuserelay_notify_start(int dev)
{
	struct fuserelay_notify *q = xcalloc(1, sizeof *q);
	int r;

	q->dev = dev;
	q->last = &q->first;
	pthread_mutex_init(&q->lock, NULL);
	pthread_cond_init(&q->some, NULL);
	pthread_cond_init(&q->none, NULL);
	r = pthread_create(&q->thread, NULL, deliver, q);
	if (r == 0)
		return q;
	free(q);
	errno = r;
	return NULL;
}

int fuserelay_notify_put(struct fuserelay_notify *q, const void *message, size_t n)
{
	uint32_t hash = hash_of(message, n);
	struct note **p, *note;
	int r = 0;

	pthread_mutex_lock(&q->lock);
	p = find(q, message, n, hash);
	if (!*p && q->bytes + n + sizeof *note > MAX)
		r = -ENOBUFS;
	if (!*p && r == 0) {
		note = xcalloc(1, sizeof *note + n);
		note->hash = hash;
		note->n = n;
		memcpy(note->data, message, n);
		*p = note;
		*q->last = note;
		q->last = &note->next;
		q->bytes += n + sizeof *note;
		pthread_cond_signal(&q->some);
	}
	pthread_mutex_unlock(&q->lock);
	return r;
}

/* The file system is unmounted, so that the thread does not wait in the kernel. */
void fuserelay_notify_stop(struct fuserelay_notify *q)
{
	struct note *note;

	pthread_mutex_lock(&q->lock);
	q->stop = true;
	pthread_cond_signal(&q->some);
	pthread_cond_broadcast(&q->none);
	pthread_mutex_unlock(&q->lock);
	pthread_join(q->thread, NULL);
	while ((note = q->first)) {
		q->first = note->next;
		free(note);
	}
	pthread_cond_destroy(&q->some);
	pthread_cond_destroy(&q->none);
	pthread_mutex_destroy(&q->lock);
	free(q);
}
