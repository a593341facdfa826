/* SPDX-License-Identifier: MIT
 * TCP connections carried from one socket to another with splice(2), both ways: an end of input is
 * passed on as one (half-close), a reset as a reset, and a side that does not read holds back only
 * the other. */
#ifndef FCVM_NET_RELAY_H
#define FCVM_NET_RELAY_H

#include "loop.h"

#include <stdbool.h>
#include <stdint.h>

#define RELAY_PIPES 64 /* kept for the next use */

struct pair;

struct relay {
	struct loop *loop;
	int max, live;             /* connections */
	struct pair *first, *last; /* those that are connecting, oldest first */
	int spare[RELAY_PIPES][2];
	int n_spare;
	int64_t tick_ms;         /* when refused connections are tried again; -1: none waits */
	void (*room)(void *ctx); /* a connection has ended */
	void *room_ctx;
};

void relay_init(struct relay *r, struct loop *l, int max);

/* Carries between client, which is connected, and server, which may still be connecting; owns both
 * from here on, also on failure. server < 0: it comes later, with relay_connect(). ended: called
 * when it is over, may be NULL. NULL if it cannot be. */
struct pair *relay_start(struct relay *r, int client, int server,
        void (*ended)(void *ctx, struct pair *p), void *ctx);
void relay_connect(struct pair *p, int server);

/* A server that refuses is dialled again, until the connection's time is over. dial: a new socket
 * that connects, or -errno; connected: called once it has. Both with ctx. */
void relay_patient(struct pair *p, int (*dial)(void *ctx), void (*connected)(void *ctx), void *ctx);

/* Resets both sides and ends it; `ended` is not called. */
void relay_abort(struct pair *p);

/* Ends those that have been connecting for too long. */
void relay_due(struct relay *r, int64_t now);
/* When that is next to be called, or -1. */
int64_t relay_next(const struct relay *r);

/* A closing socket sends a reset. */
void relay_reset(int fd);

#endif
