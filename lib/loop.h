/* SPDX-License-Identifier: MIT
 * A small epoll loop. A watch is owned by its user and stays put while it is in the loop. */
#ifndef FCVM_LOOP_H
#define FCVM_LOOP_H

#include <stdbool.h>
#include <stdint.h>

struct watch {
	int fd; /* -1: not in the loop */
	uint32_t events;
	void (*fn)(void *ctx, uint32_t events);
	void *ctx;
};

struct loop {
	int epoll;
};

int loop_init(struct loop *l); /* 0 or -errno */
int loop_add(struct loop *l, struct watch *w, int fd, uint32_t events,
        void (*fn)(void *ctx, uint32_t events), void *ctx);
/* What to wait for; 0 keeps the watch without waiting for anything but HUP and ERR. */
void loop_want(struct loop *l, struct watch *w, uint32_t events);
/* Out of the loop; the descriptor stays open. */
void loop_remove(struct loop *l, struct watch *w);
/* Out of the loop, and closed; *fd becomes -1. Closing alone is not enough: a copy of the
 * descriptor in a forked process keeps it in the loop. */
void loop_drop(struct loop *l, struct watch *w, int *fd);
/* Waits for one event, at most timeout_ms (-1: for ever), and handles it. Handling one at a time
 * means that a handler may remove any watch. Returns false on a time-out. */
bool loop_once(struct loop *l, int timeout_ms);

#endif
