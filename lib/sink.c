/* SPDX-License-Identifier: MIT */
#include "sink.h"
#include "strv.h"
#include "xio.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct sink {
	pthread_mutex_t mutex;
	pthread_cond_t more;
	pthread_t thread;
	int fd, wake_fd;
	size_t start, len; /* of what waits in the ring */
	size_t taken;
	bool finished, broken, idle;
	int error;
	uint8_t ring[SINK_WINDOW];
};

static void wake(const struct sink *s)
{
	uint64_t one = 1;

	(void)!write(s->wake_fd, &one, sizeof one);
}

/* Writes the next contiguous piece without the lock held. Called and returns with it held. */
static void write_piece(struct sink *s)
{
	size_t n = s->len < SINK_WINDOW - s->start ? s->len : SINK_WINDOW - s->start;
	const uint8_t *p = s->ring + s->start;
	int r;

	if (n > 65536)
		n = 65536;
	pthread_mutex_unlock(&s->mutex);
	r = write_full(s->fd, p, n);
	pthread_mutex_lock(&s->mutex);
	if (r < 0) {
		s->broken = true;
		s->error = -r;
		n = s->len;
	}
	s->start = (s->start + n) % SINK_WINDOW;
	s->len -= n;
	s->taken += n;
}

static void *writer(void *arg)
{
	struct sink *s = arg;

	pthread_mutex_lock(&s->mutex);
	for (;;) {
		while (!s->len && !s->finished)
			pthread_cond_wait(&s->more, &s->mutex);
		if (!s->len)
			break;
		write_piece(s);
		wake(s);
	}
	s->idle = true;
	wake(s);
	pthread_mutex_unlock(&s->mutex);
	return NULL;
}

struct sink *sink_new(int fd, int wake_fd)
{
	struct sink *s = xcalloc(1, sizeof *s);
	sigset_t all, old;

	s->fd = fd;
	s->wake_fd = wake_fd;
	pthread_mutex_init(&s->mutex, NULL);
	pthread_cond_init(&s->more, NULL);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	if (pthread_create(&s->thread, NULL, writer, s) != 0) {
		free(s);
		s = NULL;
	}
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return s;
}

bool sink_put(struct sink *s, const void *data, size_t n)
{
	bool fits;
	size_t at, first;

	pthread_mutex_lock(&s->mutex);
	fits = n <= SINK_WINDOW - s->len && !s->finished;
	if (fits && s->broken) {
		s->taken += n;
	} else if (fits) {
		at = (s->start + s->len) % SINK_WINDOW;
		first = n < SINK_WINDOW - at ? n : SINK_WINDOW - at;
		memcpy(s->ring + at, data, first);
		memcpy(s->ring, (const uint8_t *)data + first, n - first);
		s->len += n;
		pthread_cond_signal(&s->more);
	}
	pthread_mutex_unlock(&s->mutex);
	return fits;
}

void sink_finish(struct sink *s)
{
	pthread_mutex_lock(&s->mutex);
	s->finished = true;
	pthread_cond_signal(&s->more);
	pthread_mutex_unlock(&s->mutex);
}

size_t sink_taken(struct sink *s)
{
	size_t n;

	pthread_mutex_lock(&s->mutex);
	n = s->taken;
	s->taken = 0;
	pthread_mutex_unlock(&s->mutex);
	return n;
}

bool sink_broken(struct sink *s)
{
	bool b;

	pthread_mutex_lock(&s->mutex);
	b = s->broken;
	pthread_mutex_unlock(&s->mutex);
	return b;
}

int sink_error(struct sink *s)
{
	int error;

	pthread_mutex_lock(&s->mutex);
	error = s->error == EPIPE ? 0 : s->error;
	pthread_mutex_unlock(&s->mutex);
	return error;
}

bool sink_idle(struct sink *s)
{
	bool b;

	pthread_mutex_lock(&s->mutex);
	b = s->idle;
	pthread_mutex_unlock(&s->mutex);
	return b;
}

void sink_free(struct sink *s)
{
	if (!s)
		return;
	if (sink_idle(s)) {
		pthread_join(s->thread, NULL);
		pthread_mutex_destroy(&s->mutex);
		pthread_cond_destroy(&s->more);
		free(s);
	} /* else the thread still uses it, and both end with the process */
}
