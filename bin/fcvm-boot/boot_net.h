/* SPDX-License-Identifier: MIT
 * The network that fcvm-net(1) made around this process. */
#ifndef FCVM_BOOT_NET_H
#define FCVM_BOOT_NET_H

#include "err.h"

#include <jansson.h>

struct net {
	int tap;     /* -1: there is no network */
	json_t *doc; /* net.json of the run directory; NULL: none */
};

/* dir: the run directory, or -1. Takes the descriptor out of the environment: it is not inherited
 * any further. Ends with net_free(), also after a failure. 0, or -1 with e filled. */
int net_take(int dir, struct net *net, struct err *e);
void net_free(struct net *net);

/* In a process that is not the machine's: it has nothing of the network. */
void net_leave(void);

/* The plan as the agent gets it: a new reference to the plan with what fcvm-net knows added to its
 * member "network". */
json_t *net_complete(const json_t *plan, const struct net *net);

#endif
