/* SPDX-License-Identifier: MIT
 * nftables, by libnftables. */
#ifndef FCVM_NET_RULES_H
#define FCVM_NET_RULES_H

#include "net.h"

struct nft_ctx;

/* Makes the tables of the VM's namespace, in the present network namespace. They live as long as
 * the namespace. Chains: netdev fcvm "guest" (what may come out of the guest at all), inet fcvm
 * "input", "forward", "prerouting", "postrouting". */
int rules_inside(const struct net *n, struct err *e);

/* A context whose socket, *fd, belongs to the present network namespace, in *ctx; the caller frees
 * both with nft_ctx_free(). A table with "flags owner" made through it lives until the last copy of
 * its socket is closed; free'ing the context in one process keeps it alive in a forked one. */
int rules_open(struct nft_ctx **ctx, int *fd, struct err *e);

/* Runs nft commands; what names them in an error. */
int rules_run(struct nft_ctx *ctx, const char *text, const char *what, struct err *e);

/* For the uplink that lets the guest's frames out natively: DNAT of published ports of the VM's own
 * addresses into the chain that is being written. */
void rules_dnat(const struct net *n, FILE *out);

#endif
