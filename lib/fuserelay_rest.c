/* SPDX-License-Identifier: MIT
 * A request that was read from the kernel but not sent when the relay came to rest is sent when it
 * goes on: by the machine, and by each clone of it. */
#include "fuserelay_rest.h"
#include "cleanup.h"
#include "fuserelay.h"
#include "num.h"
#include "strv.h"
#include "xio.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define STOP 'q'

struct fuserelay_rest {
	int wire, control;
	struct fuserelay_notify *notes;
	int news[2]; /* a pipe: what the server has said, to the thread of the control socket */
	pthread_t thread;
	bool running;
	char asked;           /* of us on the control socket, not answered; 0: nothing */
	pthread_mutex_t lock; /* of the wire's way to the server */
	pthread_cond_t may_send;
	atomic_bool resting, gone;
};

/* The threads of this process before all others, or as all others. Where that is not allowed,
 * nobody is held either. */
static void hurry(bool fast)
{
	struct sched_param p = {.sched_priority = fast ? sched_get_priority_max(SCHED_FIFO) : 0};
	DIR *d = opendir_at(AT_FDCWD, "/proc/self/task");
	const struct dirent *ent;
	uint64_t tid;

	while (d && (ent = readdir(d)))
		if (num_u64(ent->d_name, 1, INT32_MAX, &tid) == 0)
			sched_setscheduler((pid_t)tid, fast ? SCHED_FIFO : SCHED_OTHER, &p);
	if (d)
		closedir(d);
}

static void answer(struct fuserelay_rest *r, char byte)
{
	send(r->control, &byte, 1, MSG_NOSIGNAL | MSG_DONTWAIT);
	r->asked = 0;
}

static int put_word(struct fuserelay_rest *r, const char *name)
{
	char word[FUSERELAY_HELLO_N] = {0};

	memcpy(word, name, strlen(name));
	return r->gone ? -EPIPE : write_full(r->wire, word, sizeof word);
}

static void asked(struct fuserelay_rest *r, char byte)
{
	bool rest = byte == FUSERELAY_CTL_REST;
	int w;

	if (byte == FUSERELAY_CTL_CALM)
		hurry(false);
	if (!rest && byte != FUSERELAY_CTL_GO)
		return;
	r->asked = byte;
	if (rest)
		hurry(true);
	pthread_mutex_lock(&r->lock);
	w = put_word(r, rest ? FUSERELAY_REST : FUSERELAY_GO);
	r->resting = rest && w == 0;
	pthread_cond_broadcast(&r->may_send);
	pthread_mutex_unlock(&r->lock);
	if (w < 0)
		answer(r, FUSERELAY_CTL_FAILED);
}

static void heard(struct fuserelay_rest *r, char byte)
{
	if (byte == FUSERELAY_CTL_FAILED && r->asked)
		answer(r, byte);
	if (byte != r->asked)
		return; /* asked for, and then no longer */
	if (byte == FUSERELAY_CTL_REST) {
		answer(r, FUSERELAY_CTL_RESTED);
		return;
	}
	fuserelay_notify_wait(r->notes);
	answer(r, FUSERELAY_CTL_GONE_ON);
}

static void *attend(void *ctx)
{
	struct fuserelay_rest *r = ctx;
	struct pollfd p[2] = {
	        {.fd = r->news[0], .events = POLLIN}, {.fd = r->control, .events = POLLIN}};
	char byte;

	for (;;) {
		if (poll(p, 2, -1) < 0)
			continue;
		if (p[0].revents) {
			if (read(r->news[0], &byte, 1) != 1 || byte == STOP)
				return NULL;
			heard(r, byte);
		} else if (p[1].revents) {
			if (recv(r->control, &byte, 1, 0) == 1)
				asked(r, byte);
			else
				p[1].fd = -1; /* nobody will ask any more */
		}
	}
}

struct fuserelay_rest *fuserelay_rest_start(int wire, int control, struct fuserelay_notify *notes)
{
	struct fuserelay_rest *r = xcalloc(1, sizeof *r);

	r->wire = wire;
	r->control = control;
	r->notes = notes;
	pthread_mutex_init(&r->lock, NULL);
	pthread_cond_init(&r->may_send, NULL);
	r->news[0] = r->news[1] = -1;
	if (control < 0)
		return r;
	if (pipe2(r->news, O_CLOEXEC) == 0) {
		errno = pthread_create(&r->thread, NULL, attend, r);
		if (errno == 0) {
			r->running = true;
			return r;
		}
		close(r->news[0]);
		close(r->news[1]);
	}
	free(r);
	return NULL;
}

int fuserelay_rest_send(struct fuserelay_rest *r, const void *message, size_t n)
{
	int w;

	pthread_mutex_lock(&r->lock);
	while (r->resting)
		pthread_cond_wait(&r->may_send, &r->lock);
	w = r->gone ? -EPIPE : write_full(r->wire, message, n);
	pthread_cond_broadcast(&r->may_send);
	pthread_mutex_unlock(&r->lock);
	return w;
}

static void tell(const struct fuserelay_rest *r, char byte)
{
	if (r->running)
		(void)!write(r->news[1], &byte, 1);
}

bool fuserelay_rest_word(struct fuserelay_rest *r, const char *word)
{
	static const char zeros[8];
	bool rest = !memcmp(word, FUSERELAY_REST, 8);

	if (memcmp(word + 8, zeros, 8) != 0 || (!rest && memcmp(word, FUSERELAY_GO, 8) != 0))
		return false;
	tell(r, rest ? FUSERELAY_CTL_REST : FUSERELAY_CTL_GO);
	return true;
}

/* Whoever writes has the lock, and may wait for the wire for ever: it is not waited for. Whoever
 * waits for its turn has not, and is woken, be it by who writes. */
void fuserelay_rest_gone(struct fuserelay_rest *r)
{
	atomic_store(&r->gone, true);
	atomic_store(&r->resting, false);
	if (pthread_mutex_trylock(&r->lock) == 0) {
		pthread_cond_broadcast(&r->may_send);
		pthread_mutex_unlock(&r->lock);
	}
	tell(r, FUSERELAY_CTL_FAILED);
}

void fuserelay_rest_stop(struct fuserelay_rest *r)
{
	tell(r, STOP);
	if (r->running) {
		pthread_join(r->thread, NULL);
		close(r->news[0]);
		close(r->news[1]);
	}
	pthread_cond_destroy(&r->may_send);
	pthread_mutex_destroy(&r->lock);
	free(r);
}
