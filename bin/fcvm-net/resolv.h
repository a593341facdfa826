/* SPDX-License-Identifier: MIT
 * The resolvers that DNS queries go to: those of --dns, else those of /etc/resolv.conf, and the
 * search list of the latter. */
#ifndef FCVM_NET_RESOLV_H
#define FCVM_NET_RESOLV_H

#include "err.h"
#include "strv.h"

#include <netinet/in.h>

#define RESOLV_MAX 8
#define RESOLV_SOCKETS \
	4 /* a resolver: an answer from outside must guess which, and the query's id */

struct resolv {
	struct sockaddr_storage addr[RESOLV_MAX]; /* port 53 */
	socklen_t len[RESOLV_MAX];
	int udp[RESOLV_MAX][RESOLV_SOCKETS]; /* connected, non-blocking; -1: none */
	size_t n;
	struct strv search;
};

void resolv_init(struct resolv *r);

/* given: addresses of --dns, may be empty. A malformed one is an error; lines of the file that say
 * nothing of use are passed over, and without any the local host is the resolver, as in libc. */
int resolv_read(struct resolv *r, const struct strv *given, const char *path, struct err *e);

/* Makes the UDP sockets, in the present network namespace. A resolver of a family that this host
 * lacks is dropped. */
int resolv_open(struct resolv *r, struct err *e);

void resolv_free(struct resolv *r);

#endif
