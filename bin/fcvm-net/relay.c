/* SPDX-License-Identifier: MIT */
#include "relay.h"
#include "clock.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define CONNECT_MS 10000
#define CHUNK      65536 /* a pipe's capacity */
#define ROUNDS     8     /* before others get their turn */
#define AGAIN_MS   50    /* between two attempts to reach a server that refuses */

struct end {
	int fd;
	struct watch w;
	bool eof;  /* nothing more comes from it */
	bool shut; /* nothing more goes to it */
	struct pair *pair;
};

struct flow {        /* from ends[i] to ends[1 - i] */
	int pipe[2]; /* only while something is held */
	size_t held;
};

struct pair {
	struct relay *r;
	struct end ends[2]; /* client, server */
	struct flow flows[2];
	bool connecting;
	int64_t deadline;
	struct pair *prev, *next;
	void (*ended)(void *ctx, struct pair *p);
	void *ctx;
	int (*dial)(void *ctx); /* NULL: a refusal is final */
	void (*connected)(void *ctx);
	void *dial_ctx;
	bool waiting; /* to dial again */
};

void relay_init(struct relay *r, struct loop *l, int max)
{
	memset(r, 0, sizeof *r);
	r->loop = l;
	r->max = max;
	r->tick_ms = -1;
}

void relay_reset(int fd)
{
	struct linger now = {.l_onoff = 1, .l_linger = 0};

	setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
}

static bool take_pipe(struct relay *r, struct flow *f)
{
	if (f->pipe[0] >= 0)
		return true;
	if (r->n_spare > 0) {
		memcpy(f->pipe, r->spare[--r->n_spare], sizeof f->pipe);
		return true;
	}
	return pipe2(f->pipe, O_CLOEXEC | O_NONBLOCK) == 0;
}

/* A pipe with something in it is of no use to others. */
static void give_pipe(struct relay *r, struct flow *f)
{
	if (f->pipe[0] < 0)
		return;
	if (f->held == 0 && r->n_spare < RELAY_PIPES) {
		memcpy(r->spare[r->n_spare++], f->pipe, sizeof f->pipe);
	} else {
		close(f->pipe[0]);
		close(f->pipe[1]);
	}
	f->pipe[0] = f->pipe[1] = -1;
}

static void no_longer_connecting(struct pair *p)
{
	struct relay *r = p->r;

	if (!p->connecting)
		return;
	p->connecting = false;
	if (p->prev)
		p->prev->next = p->next;
	else
		r->first = p->next;
	if (p->next)
		p->next->prev = p->prev;
	else
		r->last = p->prev;
	p->prev = p->next = NULL;
}

static void release(struct pair *p, bool reset)
{
	struct relay *r = p->r;

	no_longer_connecting(p);
	for (int i = 0; i < 2; i++) {
		give_pipe(r, &p->flows[i]);
		if (reset && p->ends[i].fd >= 0)
			relay_reset(p->ends[i].fd);
		loop_drop(r->loop, &p->ends[i].w, &p->ends[i].fd);
	}
	free(p);
	r->live--;
	if (r->room)
		r->room(r->room_ctx);
}

void relay_abort(struct pair *p)
{
	release(p, true);
}

static void finish(struct pair *p, bool reset)
{
	if (p->ended)
		p->ended(p->ctx, p);
	release(p, reset);
}

/* As far as it goes without waiting. -1: the connection is broken. */
static int move(struct pair *p, int i)
{
	struct end *from = &p->ends[i], *to = &p->ends[1 - i];
	struct flow *f = &p->flows[i];
	ssize_t n;

	for (int k = 0; k < ROUNDS; k++) {
		if (f->held == 0 && !from->eof) {
			if (!take_pipe(p->r, f))
				return -1;
			n = splice(from->fd, NULL, f->pipe[1], NULL, CHUNK,
			        SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
			if (n < 0 && errno != EAGAIN)
				return -1;
			if (n == 0)
				from->eof = true;
			f->held = n > 0 ? (size_t)n : 0;
		}
		if (f->held == 0)
			break;
		n = splice(
		        f->pipe[0], NULL, to->fd, NULL, f->held, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
		if (n < 0 && errno != EAGAIN)
			return -1;
		if (n <= 0)
			break;
		f->held -= (size_t)n;
	}
	if (f->held)
		return 0;
	give_pipe(p->r, f);
	if (from->eof && !to->shut) {
		to->shut = true;
		if (shutdown(to->fd, SHUT_WR) < 0)
			return -1;
	}
	return 0;
}

static void end_event(void *ctx, uint32_t events);

/* A socket from which nothing is wanted leaves the loop: it would report that its peer has hung up
 * again and again. What has become of it shows when it is next used. */
static void want(struct pair *p, int i)
{
	struct end *end = &p->ends[i];
	uint32_t events = 0;

	if (!end->eof && p->flows[i].held == 0)
		events |= EPOLLIN;
	if (p->flows[1 - i].held)
		events |= EPOLLOUT;
	if (!events)
		loop_remove(p->r->loop, &end->w);
	else if (end->w.fd >= 0)
		loop_want(p->r->loop, &end->w, events);
	else
		loop_add(p->r->loop, &end->w, end->fd, events, end_event, end);
}

static void step(struct pair *p)
{
	for (int i = 0; i < 2; i++)
		if (move(p, i) < 0) {
			finish(p, true);
			return;
		}
	if (p->ends[0].shut && p->ends[1].shut) {
		finish(p, false);
		return;
	}
	want(p, 0);
	want(p, 1);
}

void relay_patient(struct pair *p, int (*dial)(void *ctx), void (*connected)(void *ctx), void *ctx)
{
	p->dial = dial;
	p->connected = connected;
	p->dial_ctx = ctx;
}

/* False: it is final. */
static bool try_again(struct pair *p, int error)
{
	if (!p->dial || (error != ECONNREFUSED && error != EHOSTUNREACH))
		return false;
	loop_drop(p->r->loop, &p->ends[1].w, &p->ends[1].fd);
	p->waiting = true;
	if (p->r->tick_ms < 0)
		p->r->tick_ms = clock_ms() + AGAIN_MS;
	return true;
}

static void dial_all(struct relay *r)
{
	struct pair *p, *next;

	r->tick_ms = -1;
	for (p = r->first; p; p = next) {
		int server;

		next = p->next;
		if (!p->waiting)
			continue;
		p->waiting = false;
		server = p->dial(p->dial_ctx);
		if (server >= 0)
			relay_connect(p, server);
		else if (!try_again(p, -server))
			finish(p, true);
	}
}

static void end_event(void *ctx, uint32_t events)
{
	struct end *end = ctx;
	struct pair *p = end->pair;
	socklen_t len = sizeof(int);
	int error = 0;

	if (p->connecting) {
		if (getsockopt(end->fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0 || error) {
			if (!try_again(p, error))
				finish(p, true);
			return;
		}
		no_longer_connecting(p);
		if (p->connected)
			p->connected(p->dial_ctx);
	} else if (events & EPOLLERR) {
		finish(p, true);
		return;
	}
	step(p);
}

void relay_connect(struct pair *p, int server)
{
	int one = 1;

	setsockopt(server, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	setsockopt(server, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof one);
	p->ends[1].fd = server;
	if (loop_add(p->r->loop, &p->ends[1].w, server, EPOLLOUT, end_event, &p->ends[1]) < 0)
		finish(p, true);
}

struct pair *relay_start(struct relay *r, int client, int server,
        void (*ended)(void *ctx, struct pair *p), void *ctx)
{
	struct pair *p = r->live < r->max ? calloc(1, sizeof *p) : NULL;
	int one = 1;

	if (!p) {
		relay_reset(client);
		close(client);
		if (server >= 0)
			close(server);
		return NULL;
	}
	setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	setsockopt(client, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof one);
	p->r = r;
	for (int i = 0; i < 2; i++) {
		p->ends[i] = (struct end){.fd = i ? -1 : client, .w.fd = -1, .pair = p};
		p->flows[i] = (struct flow){.pipe = {-1, -1}};
	}
	p->ended = ended;
	p->ctx = ctx;
	p->connecting = true;
	p->deadline = clock_ms() + CONNECT_MS;
	p->prev = r->last;
	*(r->last ? &r->last->next : &r->first) = p;
	r->last = p;
	r->live++;
	if (server >= 0)
		relay_connect(p, server);
	return p;
}

void relay_due(struct relay *r, int64_t now)
{
	while (r->first && r->first->deadline <= now)
		finish(r->first, true);
	if (r->tick_ms >= 0 && r->tick_ms <= now)
		dial_all(r);
}

int64_t relay_next(const struct relay *r)
{
	int64_t next = r->first ? r->first->deadline : -1;

	return r->tick_ms >= 0 && r->tick_ms < next ? r->tick_ms : next;
}
