/* SPDX-License-Identifier: MIT */
#include "keeper.h"
#include "cleanup.h"
#include "clock.h"
#include "dns.h"
#include "failpoint.h"
#include "relay.h"
#include "udp.h"

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>

#define RELAY_MAX 16384
#define UDP_MAX   1024
#define PER_PAIR  3 /* descriptors: two sockets, and part of the pipes in use */
#define ACCEPTS   64

/* A container runs before its server listens. So that the first who connects need not wait and ask
 * again, a port that has not answered yet is dialled until it does, while the VM is young. */
#define YOUNG_MS 60000

#define AGAIN_MS 100 /* until descriptors are asked for again where none is one's own */

struct keeper;

struct door {
	struct keeper *k;
	const struct listener *l;
	struct watch w;
	bool answered;
};

struct keeper {
	struct net *n;
	struct loop loop;
	struct relay relay;
	struct udp udp;
	struct dns dns;
	struct watch ndp, peers, tap;
	struct door *doors;
	int64_t young_until;
	bool closed;     /* no descriptor left: connections wait in the kernel's queue */
	int64_t open_at; /* then, without a connection that ends before; -1: such a one comes */
};

static void doors_open(struct keeper *k, bool open)
{
	k->closed = !open;
	k->open_at = open || k->relay.live > 0 ? -1 : clock_ms() + AGAIN_MS;
	for (size_t i = 0; i < k->n->publish.n; i++)
		if (!k->doors[i].l->udp)
			loop_want(&k->loop, &k->doors[i].w, open ? EPOLLIN : 0);
}

static void room(void *ctx)
{
	struct keeper *k = ctx;

	if (k->closed)
		doors_open(k, true);
}

static int dial(void *ctx)
{
	const struct door *d = ctx;

	return guest_socket(SOCK_STREAM, d->l->guest);
}

static void connected(void *ctx)
{
	struct door *d = ctx;

	d->answered = true;
}

/* A guest that cannot be reached shows at once as a reset. */
static void carry(struct keeper *k, struct door *d, int client)
{
	int server = guest_socket(SOCK_STREAM, d->l->guest);
	struct pair *p;

	if (server >= 0) {
		p = relay_start(&k->relay, client, server, NULL, NULL);
		if (p && !d->answered && clock_ms() < k->young_until)
			relay_patient(p, dial, connected, d);
		return;
	}
	relay_reset(client);
	close(client);
}

static void tcp_event(void *ctx, uint32_t events)
{
	struct door *d = ctx;
	struct keeper *k = d->k;

	(void)events;
	for (int i = 0; i < ACCEPTS; i++) {
		struct sockaddr_storage from;
		socklen_t n = sizeof from;
		int client;

		if (k->relay.live >= k->relay.max) {
			doors_open(k, false);
			return;
		}
		client = accept4(
		        d->l->fd, (struct sockaddr *)&from, &n, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (client < 0 && (errno == EMFILE || errno == ENFILE || errno == ENOMEM))
			doors_open(k, false);
		if (client < 0)
			return;
		carry(k, d, client);
	}
}

static void udp_event(void *ctx, uint32_t events)
{
	struct door *d = ctx;

	(void)events;
	udp_receive(&d->k->udp, d->l);
}

static void ndp_event(void *ctx, uint32_t events)
{
	const struct keeper *k = ctx;

	(void)events;
	ndp_receive(&k->n->ndp);
}

static void peers_event(void *ctx, uint32_t events)
{
	const struct keeper *k = ctx;

	(void)events;
	peers_admit(&k->n->peers);
}

static int peer_lookup(void *ctx, const char *name, struct in_addr *out, int max)
{
	const struct keeper *k = ctx;

	return peers_find(&k->n->peers, name, out, max);
}

/* Asked to let go of the TAP. The end of the connection says that it has: see taphold.h. */
static void tap_event(void *ctx, uint32_t events)
{
	struct keeper *k = ctx;
	struct sockaddr_un from;
	socklen_t size = sizeof from;
	int fd = accept4(k->n->tap_line, (struct sockaddr *)&from, &size, SOCK_CLOEXEC);

	(void)events;
	if (fd < 0)
		return;
	if (k->n->tap >= 0)
		close(k->n->tap);
	k->n->tap = -1;
	close(fd);
}

/* As many connections as there are descriptors for. */
static int capacity(void)
{
	struct rlimit rl;
	rlim_t n;

	if (getrlimit(RLIMIT_NOFILE, &rl) < 0)
		return 256;
	rl.rlim_cur = rl.rlim_max;
	setrlimit(RLIMIT_NOFILE, &rl);
	n = rl.rlim_max / PER_PAIR;
	n = n > UDP_MAX ? n - UDP_MAX / PER_PAIR : n / 2;
	return n > RELAY_MAX ? RELAY_MAX : (int)n;
}

/* A process that is killed closes its descriptors from the highest to the lowest, and the TAP takes
 * it tens of milliseconds: what somebody may want next is to go first. */
static void tap_last(struct net *n)
{
	int low = fcntl(n->tap, F_DUPFD_CLOEXEC, 3);

	if (low >= 0 && low < n->tap) {
		close(n->tap);
		n->tap = low;
	} else if (low >= 0) {
		close(low);
	}
}

static int prepare(struct keeper *k)
{
	struct net *n = k->n;
	int r = loop_init(&k->loop);

	if (r < 0)
		return r;
	relay_init(&k->relay, &k->loop, capacity());
	k->relay.room = room;
	k->relay.room_ctx = k;
	udp_init(&k->udp, &k->loop, UDP_MAX);
	k->doors = xcalloc(n->publish.n, sizeof *k->doors);
	for (size_t i = 0; i < n->publish.n && r == 0; i++) {
		struct door *d = &k->doors[i];

		d->k = k;
		d->l = &n->publish.v[i];
		r = loop_add(
		        &k->loop, &d->w, d->l->fd, EPOLLIN, d->l->udp ? udp_event : tcp_event, d);
	}
	if (r == 0 && net_has_dns(n))
		r = dns_init(&k->dns, &k->loop, &k->relay, &n->resolv, n->dns_udp, n->dns_tcp,
		        n->opener);
	if (r == 0 && n->peers.network) {
		dns_know(&k->dns, peer_lookup, k);
		r = loop_add(&k->loop, &k->peers, n->peers.socket, EPOLLIN, peers_event, k);
	}
	if (r == 0)
		r = loop_add(&k->loop, &k->tap, n->tap_line, EPOLLIN, tap_event, k);
	if (r == 0 && n->ndp.packets >= 0)
		r = loop_add(&k->loop, &k->ndp, n->ndp.packets, EPOLLIN, ndp_event, k);
	return r;
}

static int time_left(const struct keeper *k)
{
	int64_t next = clock_earlier(
	        relay_next(&k->relay), clock_earlier(udp_next(&k->udp), dns_next(&k->dns)));
	int64_t left;

	next = clock_earlier(next, k->open_at);
	left = next - clock_ms();
	return next < 0 ? -1 : left < 0 ? 0 : (int)left;
}

static void serve(void *ctx, int report)
{
	struct keeper *k = xcalloc(1, sizeof *k);
	struct err e = {0};
	int r;

	k->n = ctx;
	k->open_at = -1;
	k->young_until = clock_ms() + YOUNG_MS;
	tap_last(k->n);
	r = prepare(k);
	if (r == 0)
		r = helper_drop_privileges();
	if (r < 0)
		net_error(r, &e, "cannot start the keeper of the network");
	failpoint("keeper-ready");
	if (!helper_tell(report, r < 0 ? &e : NULL) || r < 0)
		return;
	close(report);
	for (;;) {
		int64_t now;

		loop_once(&k->loop, time_left(k));
		now = clock_ms();
		relay_due(&k->relay, now);
		udp_due(&k->udp, now);
		dns_due(&k->dns, now);
		if (k->open_at >= 0 && k->open_at <= now)
			doors_open(k, true);
	}
}

static size_t descriptors(const struct net *n, int **out)
{
	int *v = xcalloc(n->publish.n + RESOLV_MAX * RESOLV_SOCKETS + PEERS_NAMES + 16, sizeof *v);
	size_t count = 0;

	for (size_t i = 0; i < n->publish.n; i++)
		v[count++] = n->publish.v[i].fd;
	for (size_t i = 0; i < n->resolv.n; i++)
		for (int k = 0; k < RESOLV_SOCKETS; k++)
			v[count++] = n->resolv.udp[i][k];
	for (int i = 0; i < 2; i++) {
		v[count++] = n->dns_udp[i];
		v[count++] = n->dns_tcp[i];
	}
	/* The kernel takes 30 ms and more to remove it when it is closed for the last time: here
	 * nobody waits for that, at PROGRAM's end somebody would. */
	v[count++] = n->tap;
	v[count++] = n->tap_line;
	v[count++] = n->opener;
	v[count++] = n->reservation;
	v[count++] = n->nft_fd;
	v[count++] = n->ndp.packets;
	v[count++] = n->ndp.group;
	v[count++] = n->peers.socket;
	v[count++] = n->peers.user_ns;
	v[count++] = n->peers.net_ns;
	v[count++] = n->peers.table;
	for (int i = 0; i < n->peers.n_claims; i++)
		v[count++] = n->peers.claims[i];
	*out = v;
	return count;
}

int keeper_start(struct net *n, int *report, struct err *e)
{
	auto_free int *keep = NULL;
	struct helper h = {.program = "fcvm-net",
	        .name = "keeper",
	        .n_keep = descriptors(n, &keep),
	        .keep = keep,
	        .title = n->title,
	        .title_size = n->title_size,
	        .fn = serve,
	        .ctx = n};

	h.keep = keep;
	return helper_start(&h, report, e);
}
