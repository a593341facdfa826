/* SPDX-License-Identifier: MIT
 * A VM's network as it is being made. What is inside the namespace is the same for every uplink; an
 * uplink is one file behind struct uplink_ops. */
#ifndef FCVM_NET_NET_H
#define FCVM_NET_NET_H

#include "err.h"
#include "guest_net.h"
#include "helper.h"
#include "ndp.h"
#include "peers.h"
#include "ports.h"
#include "publish.h"
#include "resolv.h"
#include "rtnl.h"

#include <errno.h>
#include <jansson.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>

#define NET_TAP    "fcvm0"
#define NET_UPLINK "uplink" /* the namespace's other link, whatever made it */

#define NET_BIG_MTU   65520 /* where no wire is crossed: 20 to 100 times the throughput of 1500 */
#define NET_HOST_NAME "host.containers.internal"

struct net;

/* In the order of the calls. All return 0, or -1 with e filled. */
struct uplink_ops {
	const char *name;
	bool dns; /* the guest can reach a resolver */
	/* In the host's namespaces, with the caller's privileges: checks what it needs, sets n->mtu
	 * if it is 0, takes the VM's own address and opens the published ports. */
	int (*prepare)(struct net *n, struct err *e);
	/* In the host's network namespace, but already in the user namespace: may be NULL. */
	int (*before)(struct net *n, struct err *e);
	/* In the new namespace: begins to make NET_UPLINK; may be NULL. */
	int (*start)(struct net *n, struct err *e);
	/* Writes rules for the chains "forward", "prerouting" and "postrouting" (see rules.h); may
	 * be NULL. */
	void (*forward_rules)(const struct net *n, FILE *out);
	void (*nat_rules)(const struct net *n, FILE *out);
	void (*source_rules)(const struct net *n, FILE *out);
	/* Returns when NET_UPLINK carries packets; may be NULL. */
	int (*finish)(struct net *n, struct err *e);
};

extern const struct uplink_ops uplink_rootless, uplink_bridged, uplink_routed, uplink_none;

struct net {
	const struct uplink_ops *ops;
	struct ports ports;
	struct publish publish;
	struct resolv resolv;
	const char *ip, *ip6;            /* the address that the user wants for the VM, or NULL */
	struct peers peers;              /* the network of machines that it is in */
	unsigned mtu;                    /* 0: the uplink's own */
	char address[INET_ADDRSTRLEN];   /* the VM's own, "" for none */
	char address6[INET6_ADDRSTRLEN]; /* "" for none */
	char host_ip[INET6_ADDRSTRLEN];  /* where the guest reaches the host, "" for nowhere */
	bool ipv6;                       /* the namespace has IPv6 */
	bool way4, way6;                 /* the uplink leads anywhere with that family */
	char host_if[IFNAMSIZ];          /* the host's link outwards, "" for none */
	struct rtnl host, inside;        /* in the host's namespace, and in the VM's */
	bool own_user_ns;                /* not privileged enough to do without */
	char *title;                     /* the argument vector's memory, for the helpers */
	size_t title_size;

	int tap;                    /* PROGRAM's */
	int tap_line;               /* taphold.h; the keeper's */
	int reservation;            /* holds the VM's own address; the keeper's */
	int dns_udp[2], dns_tcp[2]; /* listen inside; the keeper's */
	int opener;                 /* asks for connections to the resolvers; the keeper's */
	int opener_line;            /* to hear that it serves */
	int uplink_line;            /* to the uplink's own process */
	void *nft_host; /* a context whose socket owns a table in the host's namespace */
	int nft_fd;     /* that socket; the keeper's */
	int host_ns;    /* bridged, routed: the host's network namespace */
	int index;      /* bridged, routed: the N of fcvmN */
	bool native6;   /* the host routes address6 to the VM as it is */
	struct ndp ndp; /* the keeper's */
};

/* inside.c: after the namespace is there. */
int inside_enter_user_ns(struct net *n, struct err *e);
int inside_enter_net_ns(struct net *n, struct err *e);
int inside_tap(struct net *n, struct err *e);
int inside_listen(struct net *n, struct err *e); /* DNS */

/* document.c: what scripts and the other programs read. A new reference. */
json_t *document(const struct net *n, const struct strv *add_host, struct err *e);

/* Whether the guest is told of a resolver. */
static inline bool net_has_dns(const struct net *n)
{
	return n->ops->dns || n->peers.network;
}

/* For functions that return -errno. */
static inline int net_error(int r, struct err *e, const char *what)
{
	errno = -r;
	return err_sys(e, "%s", what);
}

#endif
