/* SPDX-License-Identifier: MIT */
#include "index.h"
#include "lstream.h"
#include "sha256.h"
#include "status.h"
#include "strv.h"
#include "xio.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysinfo.h>
#include <time.h>
#include <unistd.h>

#define THREADS_MAX 16

/* A layer is two jobs: reading its entries, and the digest of the blob as it is. */
struct job {
	struct cache_layer *layer;
	struct layer_list list;
	struct lstream *stream;
	struct sha256 *sum;
	struct pool *pool;
	struct err err;    /* of reading */
	struct err digest; /* of the blob's digest */
	bool read;
};

struct pool {
	struct job *jobs;
	size_t n, next; /* 0…n-1: reading; n…2n-1: blob digests */
	struct layer_budget *budget;
	pthread_mutex_t mutex;
	pthread_cond_t change;
	_Atomic bool stop;
	_Atomic uint64_t done;
	const char *spool_dir;
	uint64_t spool_max;
	_Atomic uint64_t spooled;
};

/* Keeps the uncompressed layer; when that goes wrong or gets too large, it is only not kept. */
static void spool(struct job *j, const void *data, size_t n)
{
	struct pool *p = j->pool;

	if (j->layer->plain < 0)
		return;
	if (atomic_fetch_add(&p->spooled, n) + n <= p->spool_max &&
	        write_full(j->layer->plain, data, n) == 0)
		return;
	close(j->layer->plain);
	j->layer->plain = -1;
}

static ssize_t next_block(void *ctx, const void **block, struct err *e)
{
	struct job *j = ctx;
	uint64_t before = lstream_read(j->stream);
	ssize_t n = lstream_next(j->stream, block, e);

	j->pool->done += lstream_read(j->stream) - before;
	if (n <= 0)
		return n;
	if (j->pool->stop)
		return err_set(e, FCVM_EX_FAIL, "stopped");
	sha256_add(j->sum, *block, (size_t)n);
	if (!lstream_plain(j->stream))
		spool(j, *block, (size_t)n);
	if (layer_spend_bytes(j->pool->budget, (uint64_t)n, e) < 0)
		return -1;
	return n;
}

static int check(const char *want, const char *hex, const char *what, struct err *e)
{
	if (!strcmp(want + strlen("sha256:"), hex))
		return 0;
	return err_set(e, FCVM_EX_DATA, "%s does not match: the content has sha256:%s", what, hex);
}

static void read_job(struct job *j)
{
	struct ltar_src src = {next_block, j};
	char hex[SHA256_HEX];
	int r = -1;

	j->sum = sha256_begin();
	j->stream = lstream_open(j->layer->fd, &j->err);
	if (j->stream && lstream_plain(j->stream))
		j->layer->plain = j->layer->fd;
	else if (j->stream)
		j->layer->plain =
		        open(j->pool->spool_dir, O_TMPFILE | O_RDWR | O_CLOEXEC | O_EXCL, 0600);
	if (j->stream)
		r = layer_read(&j->list, &src, j->pool->budget, &j->err);
	sha256_end(j->sum, hex);
	if (r == 0 && lstream_plain(j->stream) &&
	        check(j->layer->digest, hex, "the digest", &j->digest) < 0)
		r = -1;
	if (r == 0 && check(j->layer->diff_id, hex, "the image config's diff_id", &j->err) < 0)
		r = -1;
	lstream_close(j->stream);
	j->stream = NULL;
	if (r < 0)
		j->pool->stop = true;
}

static int blob_digest(const struct job *j, char hex[SHA256_HEX])
{
	size_t size = (size_t)256 << 10;
	char *buf = malloc(size);
	struct sha256 *h = sha256_begin();
	off_t at = 0;
	ssize_t n = -1;

	while (buf && !j->pool->stop && (n = pread(j->layer->fd, buf, size, at)) != 0) {
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			break;
		sha256_add(h, buf, (size_t)n);
		at += n;
	}
	free(buf);
	sha256_end(h, hex);
	return n == 0 ? 0 : -1;
}

static void digest_job(struct job *j)
{
	unsigned char magic[4] = {0};
	char hex[SHA256_HEX];

	if (pread(j->layer->fd, magic, sizeof magic, 0) == sizeof magic &&
	        (magic[0] != 0x1f || magic[1] != 0x8b) && memcmp(magic, "\x28\xb5\x2f\xfd", 4) != 0)
		return; /* a plain tar: the same bytes as the reading job's */
	if (blob_digest(j, hex) == 0 && check(j->layer->digest, hex, "the digest", &j->digest) < 0)
		j->pool->stop = true;
}

static void *worker(void *arg)
{
	struct pool *p = arg;

	for (;;) {
		size_t i;

		pthread_mutex_lock(&p->mutex);
		i = p->next++;
		pthread_mutex_unlock(&p->mutex);
		if (i >= 2 * p->n)
			return NULL;
		if (!p->stop)
			(i < p->n ? read_job : digest_job)(&p->jobs[i % p->n]);
		pthread_mutex_lock(&p->mutex);
		if (i < p->n)
			p->jobs[i].read = true;
		pthread_cond_broadcast(&p->change);
		pthread_mutex_unlock(&p->mutex);
	}
}

/* Waits until the job's entries are there (or never will be). */
static void await(struct pool *p, const struct job *j, cache_tick *tick, uint64_t total)
{
	pthread_mutex_lock(&p->mutex);
	while (!j->read) {
		struct timespec ts;

		clock_gettime(CLOCK_REALTIME, &ts);
		ts.tv_nsec += 200 * 1000 * 1000;
		ts.tv_sec += ts.tv_nsec / 1000000000;
		ts.tv_nsec %= 1000000000;
		if (pthread_cond_timedwait(&p->change, &p->mutex, &ts) && tick)
			tick("reading layers", p->done, total);
	}
	pthread_mutex_unlock(&p->mutex);
}

static int apply(struct ftree *t, struct job *j)
{
	ftree_begin_layer(t);
	for (size_t i = 0; i < j->list.n; i++)
		if (ftree_apply(t, &j->list.v[i], (uint32_t)i, &j->err) < 0)
			return -1;
	layer_list_free(&j->list);
	return 0;
}

/* The first failure in layer order; a wrong digest explains everything after it. */
static int report(const struct pool *p, struct err *e)
{
	const struct err *bad = NULL;
	const struct job *j = NULL;

	for (size_t i = 0; i < p->n && !bad; i++) {
		j = &p->jobs[i];
		if (j->digest.status)
			bad = &j->digest;
		else if (j->err.status && strcmp(j->err.text, "stopped") != 0)
			bad = &j->err;
	}
	if (!bad)
		return 0;
	if (e)
		*e = *bad;
	return err_prefix(e, "layer %s", j->layer->digest);
}

static size_t start(struct pool *p, pthread_t *threads)
{
	size_t want = (size_t)get_nprocs(), n;

	if (want > THREADS_MAX)
		want = THREADS_MAX;
	if (want > 2 * p->n)
		want = 2 * p->n;
	for (n = 0; n < want; n++)
		if (pthread_create(&threads[n], NULL, worker, p))
			break;
	return n;
}

int index_layers(struct ftree *t, struct cache_layer *layers, size_t n, const char *spool_dir,
        uint64_t spool_max, cache_tick *tick, struct err *e)
{
	struct pool p = {.jobs = xcalloc(n + 1, sizeof *p.jobs),
	        .n = n,
	        .budget = t->budget,
	        .spool_dir = spool_dir,
	        .spool_max = spool_max};
	pthread_t threads[THREADS_MAX];
	uint64_t total = 0;
	size_t started;
	int r = 0;

	pthread_mutex_init(&p.mutex, NULL);
	pthread_cond_init(&p.change, NULL);
	for (size_t i = 0; i < n; i++) {
		layers[i].plain = -1;
		p.jobs[i].layer = &layers[i];
		p.jobs[i].pool = &p;
		total += layers[i].size;
	}
	started = start(&p, threads);
	if (!started && n)
		worker(&p);
	for (size_t i = 0; i < n && !p.stop; i++) {
		await(&p, &p.jobs[i], tick, total);
		if (!p.stop && apply(t, &p.jobs[i]) < 0)
			p.stop = true;
	}
	for (size_t i = 0; i < started; i++)
		pthread_join(threads[i], NULL);
	if (p.stop)
		r = report(&p, e);
	for (size_t i = 0; i < n; i++)
		layer_list_free(&p.jobs[i].list);
	free(p.jobs);
	pthread_cond_destroy(&p.change);
	pthread_mutex_destroy(&p.mutex);
	return r;
}
