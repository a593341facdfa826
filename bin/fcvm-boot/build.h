/* SPDX-License-Identifier: MIT
 * From a plan and the command line to the configuration of a machine, and what it is made of. */
#ifndef FCVM_BUILD_H
#define FCVM_BUILD_H

#include "assets.h"
#include "run.h"
#include "snapshots.h"
#include "vmm.h"

/* All that a machine is built from. */
struct build {
	char *data, *append;
	struct assets assets;
	int root, image_lock, scratch;
	struct snapshot snapshot; /* that it goes on from; without its root */
	const struct vmm_ops *ops;
	struct vmm_config config; /* without the scratch disk */
};

/* tap: -1 without a network. 0, or -1 with e filled; build_free() ends it in any case. */
int build_read(
        const json_t *plan, const struct run_opts *o, int tap, struct build *b, struct err *e);
void build_free(struct build *b);

/* What is known of its kernel (borrowed), or NULL. */
json_t *build_kernel(const struct build *b, const struct run_opts *o);

int build_check_accel(const char *accel, struct err *e);

#endif
