/* SPDX-License-Identifier: MIT */
#include "loop.h"

#include <errno.h>
#include <stddef.h>
#include <sys/epoll.h>
#include <unistd.h>

int loop_init(struct loop *l)
{
	l->epoll = epoll_create1(EPOLL_CLOEXEC);
	return l->epoll < 0 ? -errno : 0;
}

int loop_add(struct loop *l, struct watch *w, int fd, uint32_t events,
        void (*fn)(void *ctx, uint32_t events), void *ctx)
{
	struct epoll_event ev = {.events = events, .data.ptr = w};

	*w = (struct watch){.fd = fd, .events = events, .fn = fn, .ctx = ctx};
	if (epoll_ctl(l->epoll, EPOLL_CTL_ADD, fd, &ev) == 0)
		return 0;
	w->fd = -1;
	return -errno;
}

void loop_want(struct loop *l, struct watch *w, uint32_t events)
{
	struct epoll_event ev = {.events = events, .data.ptr = w};

	if (w->fd < 0 || w->events == events)
		return;
	w->events = events;
	epoll_ctl(l->epoll, EPOLL_CTL_MOD, w->fd, &ev);
}

void loop_remove(struct loop *l, struct watch *w)
{
	if (w->fd >= 0)
		epoll_ctl(l->epoll, EPOLL_CTL_DEL, w->fd, NULL);
	w->fd = -1;
}

void loop_drop(struct loop *l, struct watch *w, int *fd)
{
	loop_remove(l, w);
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

bool loop_once(struct loop *l, int timeout_ms)
{
	struct epoll_event ev;
	int n = epoll_wait(l->epoll, &ev, 1, timeout_ms);

	if (n == 1) {
		struct watch *w = ev.data.ptr;

		w->fn(w->ctx, ev.events);
	}
	return n != 0;
}
