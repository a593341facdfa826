/* SPDX-License-Identifier: MIT
 * Other tables of the host's firewall. One table cannot let pass what another drops, and theirs are
 * not ours to change: so the user hears of it, with the command that mends it. */
#ifndef FCVM_NET_FIREWALL_H
#define FCVM_NET_FIREWALL_H

#include <jansson.h>

struct nft_ctx;

/* Says on stderr which tables may drop what the link sends and gets. */
void firewall_warn(struct nft_ctx *ctx, const char *link);

/* The same for a ruleset as nft --json prints it: tell() for each chain that may drop what is
 * forwarded from or to fcvmN links. */
void firewall_look(const json_t *ruleset,
        void (*tell)(void *ctx, const char *family, const char *table, const char *chain),
        void *ctx);

#endif
