/* SPDX-License-Identifier: MIT
 * No uplink: the guest reaches nobody. Published ports are still carried to it. */
#include "net.h"
#include "status.h"

static int prepare(struct net *n, struct err *e)
{
	if (n->ip || n->ip6)
		return err_set(e, FCVM_EX_USAGE,
		        "--ip: with --network none a machine has no address of its own");
	if (!n->mtu)
		n->mtu = NET_BIG_MTU;
	/* Without an address of the VM's own, localhost is the only place. */
	return publish_rest(&n->publish, &n->ports, true, e);
}

const struct uplink_ops uplink_none = {.name = "none", .prepare = prepare};
