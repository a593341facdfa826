/* SPDX-License-Identifier: MIT
 * A network of machines: those of one user that were started with one --net-name reach each other.
 * In the middle is a network namespace without a name, the switch, to which each machine's own has
 * a link. Whoever is a member holds it open, and a socket under the network's name on which others
 * ask for both; so there is no server to start, to find dead or to end, and the last member's end
 * is the network's. Who is in it, the kernel knows: a member's names are words reserved in the
 * switch.
 *
 * Inside, each guest has the address of every guest. To others it has one of 10.89.0.0/16, mapped
 * one to one by its own namespace. */
#ifndef FCVM_NET_PEERS_H
#define FCVM_NET_PEERS_H

#include "err.h"
#include "rtnl.h"
#include "strv.h"

#include <netinet/in.h>
#include <stdbool.h>

#define NET_PEERS   "peers" /* the namespace's link to the switch */
#define PEERS_NAMES 16      /* of one machine */

struct net;

struct peers {
	const char *network; /* its name; NULL: none, and nothing else is used */
	struct strv names;   /* under which the guest is known; lower case */
	int socket;          /* listens under the network's name, shared by all members */
	int user_ns;         /* that owns the switch; -1: the caller's own */
	int net_ns;          /* the switch */
	int table;           /* its /proc/net/unix */
	int claims[PEERS_NAMES];
	int n_claims;
	char address[INET_ADDRSTRLEN]; /* the guest's for the others */
};
#define PEERS_NONE                                                     \
	{                                                              \
		.socket = -1, .user_ns = -1, .net_ns = -1, .table = -1 \
	}

/* Checks the words. name: the machine's own, or NULL. */
int peers_options(struct peers *p, const char *network, const char *name,
        const struct strv *aliases, struct err *e);

/* In the host's namespaces: finds the network or begins it. */
int peers_join(struct peers *p, bool privileged, struct err *e);

/* In the user namespace that is to own the VM's network: makes the switch if this one began the
 * network. Leaves the process in some network namespace. */
int peers_switch(struct peers *p, struct err *e);

/* In the VM's network namespace: links it to the switch and takes an address and the names there.
 */
int peers_link(struct peers *p, struct rtnl *inside, unsigned mtu, struct err *e);

/* Somebody wants to join: gives it what it needs. */
void peers_admit(const struct peers *p);

/* The addresses of a name in the network, at most max; the machine's own is the guest's. */
int peers_find(const struct peers *p, const char *name, struct in_addr *out, int max);

#endif
