/* SPDX-License-Identifier: MIT
 * Published UDP ports: a socket inside for each client outside, so that the guest sees them apart
 * and its answers find their way back. Bounded: the one that was idle longest makes room. */
#ifndef FCVM_NET_UDP_H
#define FCVM_NET_UDP_H

#include "loop.h"
#include "publish.h"

#define UDP_BUCKETS 1024

struct udp_client;

struct udp {
	struct loop *loop;
	int max, live;
	struct udp_client *oldest, *newest; /* by last use */
	struct udp_client *buckets[UDP_BUCKETS];
	uint32_t salt;
	uint8_t *room; /* one datagram */
};

void udp_init(struct udp *u, struct loop *l, int max);

/* A datagram has come to the listener. */
void udp_receive(struct udp *u, const struct listener *from);

/* Forgets clients that have been idle for too long. */
void udp_due(struct udp *u, int64_t now);
int64_t udp_next(const struct udp *u); /* when that is next to be called, or -1 */

/* A non-blocking socket of the given type whose packets go to that port of the guest; connecting
 * where it is a stream. Or -errno. */
int guest_socket(int type, uint16_t port);

#endif
