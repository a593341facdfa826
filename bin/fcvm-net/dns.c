/* SPDX-License-Identifier: MIT */
#include "dns.h"
#include "clock.h"
#include "dns_msg.h"
#include "strv.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/random.h>
#include <sys/socket.h>

#define ALL_MS  4500 /* for all resolvers together: the guest asks again after five seconds */
#define SHUN_MS 30000
#define TURN    32

struct dns_query {
	struct dns_query *prev, *next;
	struct sockaddr_storage client;
	socklen_t client_len;
	int door; /* the socket it came to */
	uint16_t id, client_id;
	int resolver, socket;
	unsigned tried; /* mask of resolvers */
	int64_t deadline;
	size_t len, question;
	uint8_t msg[DNS_QUERY_MAX];
};

static uint16_t random16(void)
{
	uint16_t v = 0;

	/* Never fails once the kernel has seeded it, and waits until then. */
	while (getrandom(&v, sizeof v, 0) != sizeof v)
		;
	return v;
}

int dns_choose(const struct dns *d, unsigned tried)
{
	int64_t now = clock_ms();
	int second = -1;

	for (int i = 0; i < (int)d->resolv->n; i++) {
		if (tried & 1U << i)
			continue;
		if (d->shunned[i] <= now)
			return i;
		if (second < 0)
			second = i;
	}
	return second;
}

void dns_shun(struct dns *d, int resolver)
{
	d->shunned[resolver] = clock_ms() + SHUN_MS;
}

static void take_out(struct dns *d, struct dns_query *q)
{
	*(q->prev ? &q->prev->next : &d->first) = q->next;
	*(q->next ? &q->next->prev : &d->last) = q->prev;
	q->prev = q->next = NULL;
	d->by_id[q->id] = 0;
}

static void put_last(struct dns *d, struct dns_query *q)
{
	int n = (int)d->resolv->n;

	q->deadline = clock_ms() + ALL_MS / (n ? n : 1);
	q->prev = d->last;
	q->next = NULL;
	*(d->last ? &d->last->next : &d->first) = q;
	d->last = q;
	do
		q->id = random16();
	while (d->by_id[q->id]);
	d->by_id[q->id] = (uint16_t)(q - d->queries + 1);
}

static void forget(struct dns *d, struct dns_query *q)
{
	q->next = d->unused;
	d->unused = q;
}

static void answer(const struct dns_query *q, const uint8_t *m, size_t n)
{
	(void)!sendto(
	        q->door, m, n, MSG_DONTWAIT, (const struct sockaddr *)&q->client, q->client_len);
}

static bool pass_on(int fd, const struct dns_query *q)
{
	/* "Connection refused" is about an earlier query; it is said once. */
	return send(fd, q->msg, q->len, 0) >= 0 ||
	       (errno == ECONNREFUSED && send(fd, q->msg, q->len, 0) >= 0) || errno == EAGAIN;
}

/* Asks the next resolver under a new id, or tells the guest that there is none. q is in no list. */
static void ask(struct dns *d, struct dns_query *q)
{
	int i;

	while ((i = dns_choose(d, q->tried)) >= 0) {
		q->tried |= 1U << i;
		q->resolver = i;
		q->socket = random16() % RESOLV_SOCKETS;
		put_last(d, q);
		dns_set_id(q->msg, q->id);
		if (pass_on(d->resolv->udp[i][q->socket], q))
			return;
		take_out(d, q);
		dns_shun(d, i);
	}
	dns_set_id(q->msg, q->client_id);
	answer(q, q->msg, dns_failure(q->msg, q->len));
	forget(d, q);
}

/* The resolver did not answer this one. */
static void next_resolver(struct dns *d, struct dns_query *q)
{
	dns_shun(d, q->resolver);
	take_out(d, q);
	ask(d, q);
}

void dns_know(struct dns *d, dns_lookup *lookup, void *ctx)
{
	d->lookup = lookup;
	d->lookup_ctx = ctx;
}

/* The name as it is, or without a domain of the search list, which resolvers try first. */
static int look_up(const struct dns *d, char *name, struct in_addr *out)
{
	const struct strv *search = &d->resolv->search;
	char *dot = strchr(name, '.');

	for (size_t i = 0; dot && i < search->n; i++)
		if (!strcasecmp(dot + 1, search->v[i])) {
			*dot = 0;
			break;
		}
	return d->lookup(d->lookup_ctx, name, out, DNS_ADDRESSES);
}

/* Whether the answer was known here. */
static bool answer_known(const struct dns *d, const struct dns_query *q)
{
	struct in_addr addresses[DNS_ADDRESSES];
	uint8_t m[DNS_QUERY_MAX + DNS_ADDRESSES * DNS_RECORD];
	char name[DNS_NAME_MAX];
	int n;

	if (!d->lookup || !dns_name(q->msg, q->question, name))
		return false;
	n = look_up(d, name, addresses);
	if (n <= 0)
		return false;
	memcpy(m, q->msg, q->question);
	answer(q, m, dns_addresses(m, q->question, addresses, n));
	return true;
}

/* One query of the guest's; false when there is none. */
static bool take_query(struct dns *d, int door)
{
	struct dns_query *q = d->unused;
	ssize_t n;

	if (!q) /* too many are open: it is lost, as datagrams are */
		return recv(door, d->room, sizeof d->room, 0) >= 0;
	q->client_len = sizeof q->client;
	n = recvfrom(door, q->msg, sizeof q->msg, MSG_TRUNC, (struct sockaddr *)&q->client,
	        &q->client_len);
	if (n < 0 || !dns_is_query(q->msg, (size_t)n))
		return n >= 0;
	d->unused = q->next;
	q->door = door;
	q->tried = 0;
	q->len = (size_t)n;
	q->question = (size_t)dns_question(q->msg, q->len);
	q->client_id = dns_id(q->msg);
	if (answer_known(d, q))
		forget(d, q);
	else
		ask(d, q);
	return true;
}

static void guest_event(void *ctx, uint32_t events)
{
	struct dns *d = ctx;

	(void)events;
	for (int k = 0; k < 2; k++)
		for (int i = 0; i < TURN && d->udp[k].fd >= 0; i++)
			if (!take_query(d, d->udp[k].fd))
				break;
}

/* The resolver's port is closed: what was asked there need not wait. */
static void refused(struct dns *d, int resolver, int socket)
{
	struct dns_query *q = d->first, *last = d->last, *next;

	for (bool end = !q; !end; q = next) {
		end = q == last;
		next = q->next;
		if (q->resolver == resolver && q->socket == socket)
			next_resolver(d, q);
	}
}

static void take_answer(struct dns *d, const struct upstream *up, ssize_t n)
{
	struct dns_query *q;
	unsigned at;

	if (n < DNS_HEADER || n > (ssize_t)sizeof d->room)
		return;
	at = d->by_id[dns_id(d->room)];
	if (!at)
		return;
	q = &d->queries[at - 1];
	if (q->resolver != up->resolver || q->socket != up->socket ||
	        !dns_answers(d->room, (size_t)n, q->msg, q->question))
		return;
	d->shunned[q->resolver] = 0;
	take_out(d, q);
	dns_set_id(d->room, q->client_id);
	answer(q, d->room, (size_t)n);
	forget(d, q);
}

static void resolver_event(void *ctx, uint32_t events)
{
	const struct upstream *up = ctx;
	struct dns *d = up->d;

	(void)events;
	for (int i = 0; i < TURN; i++) {
		ssize_t n = recv(up->w.fd, d->room, sizeof d->room, 0);

		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		if (n < 0)
			refused(d, up->resolver, up->socket);
		else
			take_answer(d, up, n);
	}
}

void dns_due(struct dns *d, int64_t now)
{
	while (d->first && d->first->deadline <= now)
		next_resolver(d, d->first);
}

int64_t dns_next(const struct dns *d)
{
	return d->first ? d->first->deadline : -1;
}

static int watch_resolvers(struct dns *d)
{
	for (int i = 0; i < (int)d->resolv->n; i++)
		for (int k = 0; k < RESOLV_SOCKETS; k++) {
			struct upstream *up = &d->up[i][k];
			int r;

			up->d = d;
			up->resolver = i;
			up->socket = k;
			r = loop_add(
			        d->loop, &up->w, d->resolv->udp[i][k], EPOLLIN, resolver_event, up);
			if (r < 0)
				return r;
		}
	return 0;
}

int dns_init(struct dns *d, struct loop *l, struct relay *r, const struct resolv *resolv,
        const int udp[2], const int tcp[2], int opener)
{
	int e;

	memset(d, 0, sizeof *d);
	d->loop = l;
	d->relay = r;
	d->resolv = resolv;
	d->queries = xcalloc(DNS_QUERIES, sizeof *d->queries);
	for (int i = DNS_QUERIES; i-- > 0;)
		forget(d, &d->queries[i]);
	e = watch_resolvers(d);
	for (int k = 0; k < 2 && e == 0; k++) {
		d->udp[k].fd = -1;
		if (udp[k] >= 0)
			e = loop_add(l, &d->udp[k], udp[k], EPOLLIN, guest_event, d);
	}
	return e < 0 ? e : dns_tcp_init(d, tcp, opener);
}
