/* SPDX-License-Identifier: MIT
 * Bridged: a pair of links, routed and masqueraded by the host. */
#include "rules.h"
#include "veth.h"

static int prepare(struct net *n, struct err *e)
{
	return veth_prepare(n, false, e);
}

static int start(struct net *n, struct err *e)
{
	return veth_link(n, e) < 0 ? -1 : veth_rules(n, e);
}

const struct uplink_ops uplink_bridged = {.name = "bridged",
        .dns = true,
        .prepare = prepare,
        .before = veth_before,
        .start = start,
        .forward_rules = veth_forward_rules,
        .nat_rules = rules_dnat};
