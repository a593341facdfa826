/* SPDX-License-Identifier: MIT */
#include "udp.h"
#include "clock.h"
#include "net.h"

#include <arpa/inet.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#define IDLE_MS  120000 /* as conntrack keeps a UDP stream */
#define DATAGRAM 65536
#define TURN     32 /* datagrams before others get theirs */

union address {
	struct sockaddr sa;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
};

union pktinfo {
	struct in_pktinfo v4;
	struct in6_pktinfo v6;
};

struct udp_client {
	struct udp *u;
	const struct listener *door;
	union address peer;
	union pktinfo local; /* which of the door's addresses it wrote to */
	int fd;
	struct watch w;
	int64_t used;
	struct udp_client *older, *newer, *chain;
};

int guest_socket(int type, uint16_t port)
{
	int fd = socket(AF_INET, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), r;
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port)};

	if (fd < 0)
		return -errno;
	inet_pton(AF_INET, GUEST_IP4, &to.sin_addr);
	if (connect(fd, (struct sockaddr *)&to, sizeof to) == 0 || errno == EINPROGRESS)
		return fd;
	r = -errno;
	close(fd);
	return r;
}

void udp_init(struct udp *u, struct loop *l, int max)
{
	memset(u, 0, sizeof *u);
	u->loop = l;
	u->max = max;
	u->room = xcalloc(1, DATAGRAM);
	/* Clients cannot choose addresses that all fall into one bucket. */
	if (getrandom(&u->salt, sizeof u->salt, 0) < 0)
		u->salt = 0;
}

static struct udp_client **bucket(
        struct udp *u, const struct listener *door, const union address *a)
{
	const uint8_t *p = (const uint8_t *)a;
	uint32_t h = u->salt ^ (uint32_t)door->fd;

	for (size_t i = 0; i < sizeof *a; i++)
		h = (h ^ p[i]) * 16777619U;
	return &u->buckets[(h ^ h >> 16) % UDP_BUCKETS];
}

static void unlink_age(struct udp_client *c)
{
	struct udp *u = c->u;

	*(c->older ? &c->older->newer : &u->oldest) = c->newer;
	*(c->newer ? &c->newer->older : &u->newest) = c->older;
	c->older = c->newer = NULL;
}

static void link_newest(struct udp_client *c)
{
	struct udp *u = c->u;

	c->used = clock_ms();
	c->older = u->newest;
	c->newer = NULL;
	*(u->newest ? &u->newest->newer : &u->oldest) = c;
	u->newest = c;
}

static void used(struct udp_client *c)
{
	unlink_age(c);
	link_newest(c);
}

static void forget(struct udp_client *c)
{
	struct udp_client **at = bucket(c->u, c->door, &c->peer);

	while (*at != c)
		at = &(*at)->chain;
	*at = c->chain;
	unlink_age(c);
	loop_drop(c->u->loop, &c->w, &c->fd);
	c->u->live--;
	free(c);
}

/* Back to the client, from the address that it wrote to. */
static void reply(struct udp_client *c, size_t n)
{
	bool v4 = c->door->family == AF_INET;
	union {
		struct cmsghdr h;
		char room[CMSG_SPACE(sizeof(union pktinfo))];
	} control = {0};
	size_t size = v4 ? sizeof c->local.v4 : sizeof c->local.v6;
	struct iovec iov = {.iov_base = c->u->room, .iov_len = n};
	struct msghdr m = {.msg_name = &c->peer,
	        .msg_namelen = v4 ? sizeof c->peer.v4 : sizeof c->peer.v6,
	        .msg_iov = &iov,
	        .msg_iovlen = 1,
	        .msg_control = &control,
	        .msg_controllen = CMSG_SPACE(size)};

	control.h = (struct cmsghdr){.cmsg_len = CMSG_LEN(size),
	        .cmsg_level = v4 ? IPPROTO_IP : IPPROTO_IPV6,
	        .cmsg_type = v4 ? IP_PKTINFO : IPV6_PKTINFO};
	memcpy(CMSG_DATA(&control.h), &c->local, size);
	/* A datagram that cannot be sent is lost, as datagrams are. */
	(void)!sendmsg(c->door->fd, &m, MSG_DONTWAIT);
}

static void guest_event(void *ctx, uint32_t events)
{
	struct udp_client *c = ctx;
	ssize_t n;

	(void)events;
	for (int i = 0; i < TURN; i++) {
		n = recv(c->fd, c->u->room, DATAGRAM, 0);
		/* "Connection refused" is the guest's ICMP message, which the client cannot get. */
		if (n < 0)
			break;
		used(c);
		reply(c, (size_t)n);
	}
}

static struct udp_client *find(struct udp *u, const struct listener *door, const union address *a,
        const union pktinfo *local)
{
	struct udp_client **at = bucket(u, door, a), *c;

	for (c = *at; c; c = c->chain)
		if (c->door == door && !memcmp(&c->peer, a, sizeof *a))
			return c;
	if (u->live >= u->max)
		forget(u->oldest);
	c = xcalloc(1, sizeof *c);
	*c = (struct udp_client){.u = u,
	        .door = door,
	        .peer = *a,
	        .local = *local,
	        .fd = guest_socket(SOCK_DGRAM, door->guest)};
	if (c->fd < 0 || loop_add(u->loop, &c->w, c->fd, EPOLLIN, guest_event, c) < 0) {
		if (c->fd >= 0)
			close(c->fd);
		free(c);
		return NULL;
	}
	at = bucket(u, door, a);
	c->chain = *at;
	*at = c;
	link_newest(c);
	u->live++;
	return c;
}

/* Where the datagram was sent to, in the form that sends from there. */
static void local_of(struct msghdr *m, union pktinfo *local)
{
	memset(local, 0, sizeof *local);
	for (struct cmsghdr *h = CMSG_FIRSTHDR(m); h; h = CMSG_NXTHDR(m, h)) {
		if (h->cmsg_level == IPPROTO_IP && h->cmsg_type == IP_PKTINFO) {
			memcpy(&local->v4, CMSG_DATA(h), sizeof local->v4);
			local->v4.ipi_spec_dst = local->v4.ipi_addr;
			local->v4.ipi_ifindex = 0;
		} else if (h->cmsg_level == IPPROTO_IPV6 && h->cmsg_type == IPV6_PKTINFO) {
			memcpy(&local->v6, CMSG_DATA(h), sizeof local->v6);
			if (!IN6_IS_ADDR_LINKLOCAL(&local->v6.ipi6_addr))
				local->v6.ipi6_ifindex = 0;
		}
	}
}

void udp_receive(struct udp *u, const struct listener *from)
{
	for (int i = 0; i < TURN; i++) {
		union {
			struct cmsghdr h;
			char room[128];
		} control;
		union address peer = {0};
		struct iovec iov = {.iov_base = u->room, .iov_len = DATAGRAM};
		struct msghdr m = {.msg_name = &peer,
		        .msg_namelen = sizeof peer,
		        .msg_iov = &iov,
		        .msg_iovlen = 1,
		        .msg_control = &control,
		        .msg_controllen = sizeof control};
		ssize_t n = recvmsg(from->fd, &m, 0);
		struct udp_client *c;
		union pktinfo local;

		if (n < 0)
			return;
		local_of(&m, &local);
		c = find(u, from, &peer, &local);
		if (!c)
			continue;
		c->local = local;
		used(c);
		/* Once more if what it says is the answer to the last one. */
		if (send(c->fd, u->room, (size_t)n, 0) < 0 && errno == ECONNREFUSED)
			(void)!send(c->fd, u->room, (size_t)n, 0);
	}
}

void udp_due(struct udp *u, int64_t now)
{
	while (u->oldest && u->oldest->used + IDLE_MS <= now)
		forget(u->oldest);
}

int64_t udp_next(const struct udp *u)
{
	return u->oldest ? u->oldest->used + IDLE_MS : -1;
}
