/* SPDX-License-Identifier: MIT
 * The DNS relay: queries of the guest go to the host's resolvers under random ids, in the order in
 * which the resolvers answer; one that does not answer is passed over for a while. The guest is
 * hostile: the table of open queries is bounded, and a full one drops the newest. */
#ifndef FCVM_NET_DNS_H
#define FCVM_NET_DNS_H

#include "loop.h"
#include "relay.h"
#include "resolv.h"

#define DNS_QUERIES 512
#define DNS_STREAMS 64 /* TCP connections at once */

struct dns_query;
struct dns_stream;

/* The addresses of a name in lower case that the relay answers for itself, at most max; 0: it is
 * not one of those. */
typedef int dns_lookup(void *ctx, const char *name, struct in_addr *out, int max);

struct dns {
	struct loop *loop;
	struct relay *relay;
	const struct resolv *resolv;
	dns_lookup *lookup; /* may be NULL */
	void *lookup_ctx;
	struct upstream {
		struct watch w;
		struct dns *d;
		int resolver, socket;
	} up[RESOLV_MAX][RESOLV_SOCKETS];
	struct watch udp[2], tcp[2], opener;
	int64_t shunned[RESOLV_MAX];             /* until then the resolver is asked last */
	struct dns_query *queries;               /* DNS_QUERIES of them */
	struct dns_query *first, *last, *unused; /* open ones by deadline */
	uint16_t by_id[65536];                   /* index + 1 */
	uint8_t room[65536];
	struct dns_stream *asked, **asked_end; /* connections the opener was asked for, in order */
	int streams;
};

/* udp, tcp: listening sockets inside, -1 for none; opener: see opener.h, -1 for none. 0 or -errno.
 */
int dns_init(struct dns *d, struct loop *l, struct relay *r, const struct resolv *resolv,
        const int udp[2], const int tcp[2], int opener);

/* Names that are asked for here before the resolvers are. */
void dns_know(struct dns *d, dns_lookup *lookup, void *ctx);

void dns_due(struct dns *d, int64_t now);
int64_t dns_next(const struct dns *d); /* when that is next to be called, or -1 */

/* Shared by dns.c and dns_tcp.c: the resolver to ask next after those in the mask `tried`, or -1.
 */
int dns_choose(const struct dns *d, unsigned tried);
void dns_shun(struct dns *d, int resolver);
int dns_tcp_init(struct dns *d, const int tcp[2], int opener);

#endif
