/* SPDX-License-Identifier: MIT
 * What a snapshot says of the machine that it was, and whether one can go on from it here. */
#ifndef FCVM_SNAPSHOT_META_H
#define FCVM_SNAPSHOT_META_H

#include "supervise.h"

/* Adds "machine" (what a clone's must be like), "image" and "ports" to a snapshot's description. 0,
 * or -1 with e filled. */
int snapshot_meta_add(
        json_t *meta, const struct supervise_opts *o, const struct vmm_ops *ops, struct err *e);

/* Whether a machine of this configuration, on this host, can be the one of that description: 0, or
 * -1 with e filled, which names what differs. kernel: what setup.json says of it. */
int snapshot_meta_check(const json_t *meta, const struct vmm_ops *ops, const struct vmm_config *c,
        const json_t *kernel, struct err *e);

#endif
