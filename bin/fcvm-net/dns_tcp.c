/* SPDX-License-Identifier: MIT
 * DNS over TCP. The keeper has no way to make sockets in the host's namespace: the opener does, and
 * only towards the resolvers. The bytes are none of our business. */
#include "clock.h"
#include "dns.h"
#include "opener.h"
#include "strv.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

struct dns_stream {
	struct dns *d;
	struct pair
	        *pair; /* NULL: it was carried before its turn came, or the guest's end is lost */
	int client;
	unsigned tried;
	int resolver;
	struct dns_stream *next;
};

static void closed(void *ctx, struct pair *p)
{
	struct dns *d = ctx;

	(void)p;
	d->streams--;
}

static void give_up(struct dns_stream *s)
{
	relay_reset(s->client);
	close(s->client);
	s->d->streams--;
	free(s);
}

static void ask(struct dns_stream *s)
{
	struct dns *d = s->d;
	unsigned char byte;
	int i = d->opener.fd >= 0 ? dns_choose(d, s->tried) : -1;

	if (i < 0) {
		give_up(s);
		return;
	}
	s->tried |= 1U << i;
	s->resolver = i;
	byte = (unsigned char)i;
	if (send(d->opener.fd, &byte, 1, MSG_NOSIGNAL | MSG_DONTWAIT) != 1) {
		give_up(s);
		return;
	}
	s->next = NULL;
	*d->asked_end = s;
	d->asked_end = &s->next;
}

static struct dns_stream *next_asked(struct dns *d)
{
	struct dns_stream *s = d->asked;

	if (!s)
		return NULL;
	d->asked = s->next;
	if (!d->asked)
		d->asked_end = &d->asked;
	return s;
}

static void opener_event(void *ctx, uint32_t events)
{
	struct dns *d = ctx;
	struct dns_stream *s;
	int fd = opener_take(d->opener.fd);

	(void)events;
	if (fd == -EAGAIN)
		return;
	if (fd == -EPIPE) {
		loop_remove(d->loop, &d->opener);
		while ((s = next_asked(d)))
			give_up(s);
		return;
	}
	s = next_asked(d);
	if (!s) {
		if (fd >= 0)
			close(fd);
		return;
	}
	if (fd < 0) {
		dns_shun(d, s->resolver);
		ask(s);
		return;
	}
	if (!relay_start(d->relay, s->client, fd, closed, d))
		d->streams--;
	free(s);
}

static void accept_event(struct dns *d, int k)
{
	struct sockaddr_storage from;
	socklen_t n = sizeof from;
	int fd = accept4(d->tcp[k].fd, (struct sockaddr *)&from, &n, SOCK_NONBLOCK | SOCK_CLOEXEC);
	struct dns_stream *s;

	if (fd < 0)
		return;
	if (d->streams >= DNS_STREAMS) {
		relay_reset(fd);
		close(fd);
		return;
	}
	s = xcalloc(1, sizeof *s);
	s->d = d;
	s->client = fd;
	d->streams++;
	ask(s);
}

static void accept4_event(void *ctx, uint32_t events)
{
	(void)events;
	accept_event(ctx, 0);
}

static void accept6_event(void *ctx, uint32_t events)
{
	(void)events;
	accept_event(ctx, 1);
}

int dns_tcp_init(struct dns *d, const int tcp[2], int opener)
{
	int e = 0;

	d->asked_end = &d->asked;
	d->opener.fd = -1;
	if (opener >= 0)
		e = loop_add(d->loop, &d->opener, opener, EPOLLIN, opener_event, d);
	for (int k = 0; k < 2 && e == 0; k++) {
		d->tcp[k].fd = -1;
		if (tcp[k] >= 0)
			e = loop_add(d->loop, &d->tcp[k], tcp[k], EPOLLIN,
			        k ? accept6_event : accept4_event, d);
	}
	return e;
}
