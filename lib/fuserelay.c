/* SPDX-License-Identifier: MIT
 * Two threads carry one direction each. A request is noted as pending before it is sent and until
 * its reply was delivered; so when the stream ends, each that has no reply yet gets EIO. */
#include "fuserelay.h"
#include "cleanup.h"
#include "fuserelay_notify.h"
#include "fuserelay_rest.h"
#include "status.h"
#include "strv.h"
#include "xio.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

struct relay;
struct half {
	struct relay *relay;
	char *buf;
	pthread_t thread;
};

struct pending {
	uint64_t unique;
	bool open;
};

struct relay {
	int dev, wire;
	struct half up, down;
	struct fuserelay_notify *notes;
	struct fuserelay_rest *rest;
	sem_t unmounted;
	pthread_mutex_t lock; /* of what follows */
	struct pending *pending;
	size_t n, size;
	bool gone; /* the stream has ended */
	int why;   /* errno, or 0 */
};

int fuserelay_hello(int wire, struct err *e)
{
	unsigned char ours[FUSERELAY_HELLO_N] = FUSERELAY_HELLO, theirs[FUSERELAY_HELLO_N];
	uint32_t version = htole32(FUSERELAY_VERSION), flags;
	ssize_t n;
	int r;

	memcpy(ours + 8, &version, 4);
	r = write_full(wire, ours, sizeof ours);
	n = r < 0 ? r : read_full(wire, theirs, sizeof theirs);
	if (n < 0) {
		errno = (int)-n;
		return err_sys(e, "cannot reach the volume's server");
	}
	if (n != sizeof theirs || memcmp(ours, theirs, 12) != 0)
		return err_set(e, FCVM_EX_FAIL, "the volume's server has another protocol");
	memcpy(&flags, theirs + 12, 4);
	if (le32toh(flags) & FUSERELAY_REFUSED)
		return err_set(e, FCVM_EX_FAIL, "the volume's server refuses the session");
	return 0;
}

void fuserelay_widen_reads(int dirfd, const char *path)
{
	struct statx st;
	char setting[80], kib[16];

	if (statx(dirfd, path, AT_EMPTY_PATH | AT_NO_AUTOMOUNT | AT_STATX_DONT_SYNC, 0, &st) < 0)
		return;
	snprintf(setting, sizeof setting, "/sys/class/bdi/%u:%u/read_ahead_kb", st.stx_dev_major,
	        st.stx_dev_minor);
	snprintf(kib, sizeof kib, "%d", FUSERELAY_WRITE_MAX >> 10);
	write_existing(setting, kib);
}

static void reply_eio(struct relay *r, uint64_t unique)
{
	struct fuse_out_header h = {.len = sizeof h, .error = -EIO, .unique = unique};

	fuserelay_deliver(r->dev, &h, sizeof h);
}

static bool wants_reply(const struct fuse_in_header *h)
{
	return h->opcode != FUSE_FORGET && h->opcode != FUSE_BATCH_FORGET &&
	       h->opcode != FUSE_INTERRUPT && h->opcode != FUSE_NOTIFY_REPLY;
}

/* false: the stream is gone, and there will be no reply. */
static bool note(struct relay *r, const struct fuse_in_header *h)
{
	bool gone;

	pthread_mutex_lock(&r->lock);
	gone = r->gone;
	if (!gone && wants_reply(h)) {
		if (r->n == r->size) {
			r->size = r->size ? 2 * r->size : 64;
			r->pending = reallocarray(r->pending, r->size, sizeof *r->pending);
			if (!r->pending)
				abort();
		}
		r->pending[r->n++] = (struct pending){h->unique, h->opcode == FUSE_OPEN};
	}
	pthread_mutex_unlock(&r->lock);
	return !gone;
}

/* Whether it was pending; *open: as a FUSE_OPEN. */
static bool settle(struct relay *r, uint64_t unique, bool *open)
{
	size_t i = 0;
	bool found;

	pthread_mutex_lock(&r->lock);
	while (i < r->n && r->pending[i].unique != unique)
		i++;
	found = i < r->n;
	if (found) {
		*open = r->pending[i].open;
		r->pending[i] = r->pending[--r->n];
	}
	pthread_mutex_unlock(&r->lock);
	return found;
}

/* The stream has ended: nobody waits for it any longer. */
static void give_up(struct relay *r, int why)
{
	struct pending *pending;
	size_t n;

	pthread_mutex_lock(&r->lock);
	if (!r->gone)
		r->why = why;
	r->gone = true;
	pending = r->pending;
	n = r->n;
	r->pending = NULL;
	r->n = r->size = 0;
	pthread_mutex_unlock(&r->lock);
	fuserelay_rest_gone(r->rest);
	for (size_t i = 0; i < n; i++)
		reply_eio(r, pending[i].unique);
	free(pending);
}

/* Requests from the kernel, until it has unmounted the file system. */
static void requests(struct relay *r, char *buf)
{
	struct fuse_in_header h;

	for (;;) {
		ssize_t n = read(r->dev, buf, FUSERELAY_MAX);
		int w;

		/* ENOENT: the request was interrupted before it was read. */
		if (n < 0 && (errno == EINTR || errno == EAGAIN || errno == ENOENT))
			continue;
		if (n < (ssize_t)sizeof h)
			return; /* ENODEV */
		memcpy(&h, buf, sizeof h);
		if (!note(r, &h)) {
			if (wants_reply(&h))
				reply_eio(r, h.unique);
			continue;
		}
		w = fuserelay_rest_send(r->rest, buf, (size_t)n);
		if (w < 0)
			give_up(r, -w);
	}
}

/* One whole message of the server. -errno: it broke the protocol. */
static int message(struct relay *r, const char *data, const struct fuse_out_header *h)
{
	bool open = false;

	if (h->unique == 0)
		return fuserelay_notify_put(r->notes, data, h->len);
	/* Bit 0 marks the reply to an INTERRUPT, which the kernel looks up by itself. */
	if (!(h->unique & 1) && !settle(r, h->unique, &open))
		return -EPROTO;
	/* Who opens a file is to see it as it was then, so what was called back before that comes
	 * first; and nobody who waits for an open has anything locked. */
	if (open && !fuserelay_notify_idle(r->notes))
		return fuserelay_notify_put(r->notes, data, h->len);
	fuserelay_deliver(r->dev, data, h->len);
	return 0;
}

/* Takes whole messages out of buf[0..*have]. -errno: the stream is not one of messages. */
static int messages(struct relay *r, char *buf, size_t *have)
{
	size_t at = 0;
	struct fuse_out_header h;
	int bad = 0;

	while (bad == 0 && *have - at >= sizeof h) {
		memcpy(&h, buf + at, sizeof h);
		if (!memcmp(buf + at, FUSERELAY_HELLO, 4)) {
			bad = fuserelay_rest_word(r->rest, buf + at) ? 0 : -EPROTO;
			h.len = FUSERELAY_HELLO_N;
		} else if (h.len < sizeof h || h.len > FUSERELAY_MAX)
			bad = -EPROTO;
		else if (*have - at < h.len)
			break;
		else
			bad = message(r, buf + at, &h);
		at += h.len;
	}
	if (bad == 0 && at > 0) {
		*have -= at;
		memmove(buf, buf + at, *have);
	}
	return bad;
}

/* What the server sends, until the stream ends. */
static void replies(struct relay *r, char *buf)
{
	size_t have = 0;
	int bad = 0;

	while (bad == 0) {
		ssize_t n = read(r->wire, buf + have, FUSERELAY_MAX - have);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			bad = n < 0 ? -errno : -EPIPE;
		else
			have += (size_t)n;
		if (bad == 0)
			bad = messages(r, buf, &have);
	}
	give_up(r, -bad);
}

/* The other thread of requests may wait for the stream for ever, with one that has had its EIO: a
 * port that nobody listens to takes no more. So this one takes over. */
static void *replies_thread(void *ctx)
{
	struct half *h = ctx;

	replies(h->relay, h->buf);
	requests(h->relay, h->buf);
	sem_post(&h->relay->unmounted);
	return NULL;
}

static void *requests_thread(void *ctx)
{
	struct half *h = ctx;

	requests(h->relay, h->buf);
	sem_post(&h->relay->unmounted);
	return NULL;
}

static int start(struct half *h, struct relay *r, void *(*fn)(void *ctx))
{
	h->relay = r;
	h->buf = malloc(FUSERELAY_MAX);
	errno = h->buf ? pthread_create(&h->thread, NULL, fn, h) : ENOMEM;
	return errno ? -1 : 0;
}

/* A socket can be shut down under the threads; nothing can be done to one that waits for a port, so
 * it stays as it is until the process ends. */
static void end(struct relay *r)
{
	if (shutdown(r->wire, SHUT_RDWR) < 0 && errno == ENOTSOCK)
		return;
	pthread_join(r->up.thread, NULL);
	pthread_join(r->down.thread, NULL);
	fuserelay_rest_stop(r->rest);
	fuserelay_notify_stop(r->notes);
	free(r->up.buf);
	free(r->down.buf);
	sem_destroy(&r->unmounted);
	free(r->pending);
	free(r);
}

int fuserelay_run(int dev, int wire, int control, struct err *e)
{
	struct relay *r = xcalloc(1, sizeof *r);
	int result = 0;

	r->dev = dev;
	r->wire = wire;
	pthread_mutex_init(&r->lock, NULL);
	sem_init(&r->unmounted, 0, 0);
	r->notes = fuserelay_notify_start(dev);
	r->rest = r->notes ? fuserelay_rest_start(wire, control, r->notes) : NULL;
	if (!r->rest || start(&r->up, r, requests_thread) < 0 ||
	        start(&r->down, r, replies_thread) < 0)
		return err_sys(e, "cannot start a thread of the volume");
	while (sem_wait(&r->unmounted) < 0)
		;
	if (r->gone) {
		errno = r->why;
		result = err_sys(e, "the volume's server went away");
	}
	end(r);
	return result;
}
