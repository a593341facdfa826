/* SPDX-License-Identifier: MIT
 * Answers neighbours on the host's link outwards that ask for one IPv6 address. The kernel can do
 * that as well (proxy_ndp), but only by a setting of the whole host and an entry that would stay
 * after a crash. What comes is from the wire: a filter in the kernel passes neighbour
 * solicitations for this address alone. */
#ifndef FCVM_NET_NDP_H
#define FCVM_NET_NDP_H

#include "rtnl.h"

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ndp {
	int packets; /* -1: none, also where the link has no neighbours to ask */
	int group;   /* keeps the address's multicast group joined */
	int index;
	uint8_t mac[6];
	struct in6_addr address;
};
#define NDP_NONE                            \
	{                                   \
		.packets = -1, .group = -1, \
	}

#define NDP_ADVERT 72 /* bytes: IPv6 header, advertisement, one option */

/* 0 or -errno. */
int ndp_open(struct ndp *n, struct rtnl *host, int index, const struct in6_addr *address);

/* Answers what has come. */
void ndp_receive(const struct ndp *n);

/* Makes the answer to a packet; false if there is none. *everybody: it goes to all nodes, and not
 * to the one that asked. */
bool ndp_answer(const struct ndp *n, const uint8_t *packet, size_t size, uint8_t out[NDP_ADVERT],
        bool *everybody);

#endif
