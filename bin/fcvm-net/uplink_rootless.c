/* SPDX-License-Identifier: MIT
 * Rootless: pasta carries the guest's packets as sockets of the user. It runs in the host's network
 * namespace, in a pid namespace of its own whose first process is a helper of ours: when that dies
 * with PROGRAM, the kernel kills the rest, whatever pasta did to its parent-death signal. */
#include "cleanup.h"
#include "clock.h"
#include "net.h"
#include "pasta.h"
#include "reserve.h"
#include "status.h"

#include <arpa/inet.h>
#include <linux/rtnetlink.h>
#include <poll.h>
#include <sys/random.h>
#include <sys/socket.h>

#define QUEUE_BYTES (16U << 20)
#define QUEUE_LEAST 1000U
#define READY_MS    10000 /* for pasta to come up on a busy machine */

/* The namespace's own addresses towards pasta, out of 192.0.0.0/29, which is set aside for the
 * inside of such a translator and is nobody's destination. Were they the host's (pasta's default),
 * the host itself would be out of the guest's reach. */
#define OWN4    "192.0.0.2"
#define PREFIX4 29
#define PASTA4  "192.0.0.1"
#define OWN6    "fd00:0:0:3::2"
#define PREFIX6 64
#define PASTA6  "fd00:0:0:3::1"

/* Whether and how the host reaches the world. A root server's address stands for the world; nothing
 * is sent to it. */
static void find_way(struct net *n)
{
	static const char *const world[2] = {"198.41.0.4", "2001:503:ba3e::2:30"};
	static const int family[2] = {AF_INET, AF_INET6};
	bool *way[2] = {&n->way4, &n->way6};

	for (int i = 0; i < 2; i++) {
		struct in6_addr to, from;
		int index;

		inet_pton(family[i], world[i], &to);
		index = rtnl_way_out(&n->host, family[i], &to, &from);
		*way[i] = index > 0;
		if (index > 0 && !*n->host_if && if_indextoname((unsigned)index, n->host_if) &&
		        !*n->host_ip)
			inet_ntop(family[i], &from, n->host_ip, sizeof n->host_ip);
	}
}

/* On a host without a network the guest has none either; its published ports still answer. */
static bool leads_anywhere(const struct net *n)
{
	return n->way4 || n->way6;
}

static int try_address(struct net *n, struct err *e)
{
	int r;

	n->reservation = reserve(n->address);
	if (n->reservation == -EADDRINUSE)
		return -EADDRINUSE;
	if (n->reservation < 0)
		return net_error(n->reservation, e, "cannot reserve an address in 127.0.0.0/8");
	r = publish_own(&n->publish, &n->ports, n->address, e);
	if (r == -EADDRINUSE) {
		close(n->reservation);
		n->reservation = -1;
		return -EBUSY;
	}
	return r;
}

static int wish(struct net *n, struct err *e)
{
	struct in_addr a;
	uint32_t host;
	int r;

	inet_pton(AF_INET, n->ip, &a);
	host = ntohl(a.s_addr);
	if (host >> 24 != 127 || host == INADDR_LOOPBACK || host == 127U << 24 ||
	        host == (128U << 24) - 1)
		return err_set(e, FCVM_EX_USAGE,
		        "--ip %s: with --network rootless it is of 127.0.0.0/8, but not 127.0.0.1",
		        n->ip);
	inet_ntop(AF_INET, &a, n->address, sizeof n->address);
	do
		r = try_address(n, e);
	while ((r == -EADDRINUSE || r == -EBUSY) && patience_wait(&n->publish.patience));
	if (r == -EADDRINUSE)
		return err_set(e, FCVM_EX_FAIL, "--ip %s: another machine has this address", n->ip);
	if (r == -EBUSY)
		return err_set(e, FCVM_EX_FAIL,
		        "--ip %s: another process listens there on a port that is to be published",
		        n->ip);
	return r;
}

/* Addresses are 127.1.0.1 to 127.254.255.254, starting anywhere, without 127.x.y.0 and 127.x.y.255.
 * That a port of one is in use is no reason to give up: it may be somebody's who bound it there by
 * chance. When it is so everywhere, somebody has it on all addresses. */
static int take_address(struct net *n, struct err *e)
{
	uint32_t at = 0;
	int busy = 0;

	if (getrandom(&at, sizeof at, 0) < 0)
		return err_sys(e, "cannot get random numbers");
	for (int tries = 0; tries < 65536 && busy < 3; tries++, at++) {
		uint32_t host = at % (254U << 16), low = host & 0xff;
		int r;

		if (low == 0 || low == 255)
			continue;
		snprintf(n->address, sizeof n->address, "127.%u.%u.%u", 1 + (host >> 16),
		        host >> 8 & 0xff, low);
		r = try_address(n, e);
		if (r == -EBUSY)
			busy++;
		else if (r != -EADDRINUSE)
			return r;
	}
	if (busy == 3)
		return err_set(e, FCVM_EX_FAIL,
		        "cannot publish the ports on 127.0.0.0/8: Address already in use: another "
		        "process listens on all addresses: choose another host port");
	return err_set(e, FCVM_EX_FAIL, "no free address in 127.0.0.0/8");
}

static int prepare(struct net *n, struct err *e)
{
	int r;

	find_way(n);
	if (!n->mtu)
		n->mtu = NET_BIG_MTU;
	if (n->ip6)
		return err_set(e, FCVM_EX_USAGE,
		        "--ip6: with --network rootless a machine has no IPv6 address of its own");
	r = n->ip ? wish(n, e) : take_address(n, e);
	return r < 0 ? r : publish_rest(&n->publish, &n->ports, false, e);
}

static int before(struct net *n, struct err *e)
{
	char mtu[16];
	struct pasta p = {.mtu = mtu,
	        .link = NET_UPLINK,
	        .host_if = n->host_if,
	        .own4 = n->way4 ? OWN4 : NULL,
	        .gateway4 = PASTA4,
	        .own6 = n->way6 ? OWN6 : NULL,
	        .gateway6 = PASTA6,
	        .ambient = n->own_user_ns};

	snprintf(mtu, sizeof mtu, "%u", n->mtu);
	if (!leads_anywhere(n))
		return 0;
	return pasta_start(&p, n->title, n->title_size, &n->uplink_line, e);
}

static int start(struct net *n, struct err *e)
{
	return leads_anywhere(n) ? pasta_attach(n->uplink_line, e) : 0;
}

/* The index of the link, once it is there: news of links come on r. */
static int wait_for_link(struct net *n, struct rtnl *r, struct err *e)
{
	int64_t end = clock_ms() + READY_MS;

	for (;;) {
		struct pollfd p[2] = {
		        {.fd = r->fd, .events = POLLIN}, {.fd = n->uplink_line, .events = POLLIN}};
		int index = rtnl_index(&n->inside, NET_UPLINK);
		int64_t left = end - clock_ms();
		char news[8192];

		if (index >= 0)
			return index;
		if (left <= 0)
			return err_set(
			        e, FCVM_EX_FAIL, "pasta made no link within %d s", READY_MS / 1000);
		if (poll(p, 2, (int)left) < 0 && errno != EINTR)
			return err_sys(e, "cannot wait for pasta");
		if (p[1].revents)
			return helper_wait(n->uplink_line, "pasta's parent", e) < 0 ? -1 : 0;
		if (p[0].revents && recv(r->fd, news, sizeof news, MSG_DONTWAIT) < 0 &&
		        errno != ENOBUFS && errno != EAGAIN)
			return err_sys(e, "cannot hear of new links");
	}
}

/* How many packets may wait for pasta. The guest sends up to 64 KiB at once, which the kernel cuts
 * into packets of this MTU: with a small one, the kernel's own 1000 are a few sends of a few
 * connections, the rest is lost and sent again, and a stream has a tenth of its throughput. A
 * guest that floods has these and no more of the host's memory. */
static unsigned queue(unsigned mtu)
{
	unsigned packets = QUEUE_BYTES / mtu;

	return packets > QUEUE_LEAST ? packets : QUEUE_LEAST;
}

static int configure(struct net *n, int index)
{
	struct in6_addr a;
	int r = rtnl_up(&n->inside, index, n->mtu, NULL);

	if (r == 0)
		r = rtnl_queue(&n->inside, index, queue(n->mtu));
	if (r == 0 && n->way4) {
		inet_pton(AF_INET, OWN4, &a);
		r = rtnl_address(&n->inside, index, AF_INET, &a, PREFIX4);
		inet_pton(AF_INET, PASTA4, &a);
		if (r == 0)
			r = rtnl_default_route(&n->inside, index, AF_INET, &a);
	}
	if (r == 0 && n->way6 && n->ipv6) {
		inet_pton(AF_INET6, OWN6, &a);
		r = rtnl_address(&n->inside, index, AF_INET6, &a, PREFIX6);
		inet_pton(AF_INET6, PASTA6, &a);
		if (r == 0)
			r = rtnl_default_route(&n->inside, index, AF_INET6, &a);
	}
	return r;
}

/* The link is pasta's, its settings are ours: so it is usable when this returns, and there is
 * nothing to wait for but the link. */
static int finish(struct net *n, struct err *e)
{
	struct rtnl news = RTNL_NONE;
	int r, index;

	if (!leads_anywhere(n))
		return 0;
	r = rtnl_open(&news, RTMGRP_LINK);
	if (r < 0)
		return net_error(r, e, "cannot hear of new links");
	index = wait_for_link(n, &news, e);
	rtnl_close(&news);
	if (index <= 0)
		return -1;
	r = configure(n, index);
	return r < 0 ? net_error(r, e, "cannot set up the link to pasta") : 0;
}

const struct uplink_ops uplink_rootless = {.name = "rootless",
        .dns = true,
        .prepare = prepare,
        .before = before,
        .start = start,
        .finish = finish};
