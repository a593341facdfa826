/* SPDX-License-Identifier: MIT
 * No uplink: the guest reaches nobody. Published ports are still carried to it. */
#include "net.h"

static int prepare(struct net *n, struct err *e)
{
	if (!n->mtu)
		n->mtu = NET_BIG_MTU;
	/* Without an address of the VM's own, localhost is the only place. */
	return publish_rest(&n->publish, &n->ports, true, e);
}

const struct uplink_ops uplink_none = {.name = "none", .prepare = prepare};
