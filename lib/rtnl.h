/* SPDX-License-Identifier: MIT
 * The few rtnetlink requests that a VM's network needs, spoken directly. A struct rtnl belongs to
 * the network namespace that it was opened in, wherever its process is now. Functions return 0 or
 * -errno; addresses are in network byte order, struct in_addr or struct in6_addr as `family` says.
 */
#ifndef FCVM_RTNL_H
#define FCVM_RTNL_H

#include <stdint.h>
#include <sys/socket.h>

struct rtnl {
	int fd; /* -1: not open; the owner closes it with rtnl_close() */
	uint32_t seq;
};
#define RTNL_NONE        \
	{                \
		.fd = -1 \
	}

/* groups: a mask of RTMGRP_* to hear of, or 0. */
int rtnl_open(struct rtnl *r, uint32_t groups);
void rtnl_close(struct rtnl *r);

/* The link's index, or -ENODEV. */
int rtnl_index(struct rtnl *r, const char *name);

/* Brings the link up. mtu: 0 leaves it; mac: NULL leaves it, else six bytes. */
int rtnl_up(struct rtnl *r, int index, unsigned mtu, const uint8_t *mac);

/* How many packets may wait on the link until somebody takes them; what comes then is lost. */
int rtnl_queue(struct rtnl *r, int index, unsigned packets);

/* Adds an address that is usable at once (no duplicate address detection). */
int rtnl_address(struct rtnl *r, int index, int family, const void *address, int prefix);

/* By way of the gateway, or NULL: the destination is on the link. */
int rtnl_route(struct rtnl *r, int index, int family, const void *destination, int prefix,
        const void *gateway);
int rtnl_default_route(struct rtnl *r, int index, int family, const void *gateway);

/* Makes a pair of links: `name` here, `peer` in the network namespace netns_fd. The name is taken
 * or not by one call of the kernel: -EEXIST. */
int rtnl_veth(struct rtnl *r, const char *name, const char *peer, int netns_fd, unsigned mtu);

/* Which way a packet to the destination would go; nothing is sent. The index of the link, with the
 * source address in *source (as large as the family's address; zero if there is none), or -errno.
 */
int rtnl_way_out(struct rtnl *r, int family, const void *destination, void *source);

/* The length of the prefix of the route that such a packet would take: 0 for the default route; or
 * -errno. */
int rtnl_way_prefix(struct rtnl *r, int family, const void *destination);

/* The link's MTU, or -errno. */
int rtnl_mtu(struct rtnl *r, int index);

/* The link's MAC address; -ENOTSUP if it is no Ethernet. */
int rtnl_mac(struct rtnl *r, int index, uint8_t mac[6]);

/* The length of the prefix that this address has on the link; -EADDRNOTAVAIL if the link has it
 * not. */
int rtnl_prefix(struct rtnl *r, int index, int family, const void *address);

#endif
