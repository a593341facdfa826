/* SPDX-License-Identifier: MIT
 * What the uplinks of root share: a veth pair fcvmN/uplink with a /30 of 172.30.0.0/16 and a /126
 * of fdfc:30::/112, a table in the host's namespace, and published ports on the VM's own address.
 * The host's link goes with the VM's namespace, the host's table with the keeper that owns it. */
#ifndef FCVM_NET_VETH_H
#define FCVM_NET_VETH_H

#include "net.h"

/* Privileges, settings of this host, --ip and --ip6 (native6: another's business), MTU and
 * published ports. */
int veth_prepare(struct net *n, bool native6, struct err *e);

/* A context for rules in the host's namespace. */
int veth_before(struct net *n, struct err *e);

/* Makes the pair and sets n->address, n->host_ip, and n->address6 where it is empty. No packet
 * passes yet. */
int veth_link(struct net *n, struct err *e);

/* Makes the host's table, and says so if another table may drop what passes. */
int veth_rules(struct net *n, struct err *e);

/* Whether this setting is on in the present network namespace. */
bool veth_setting(const char *path);

/* Rules of the VM's namespace: the host's end of its own link is all of 172.30.0.0/16 that the
 * guest reaches. */
void veth_forward_rules(const struct net *n, FILE *out);

#endif
