/* SPDX-License-Identifier: MIT
 * The verbs of fcvm-clone. Each returns 0, or -1 with e filled. */
#ifndef FCVM_CLONE_TOOL_H
#define FCVM_CLONE_TOOL_H

#include "err.h"
#include "snapshots.h"
#include "strv.h"

#include <stdbool.h>
#include <stdint.h>

struct clone_opts {
	const char *tag, *name, *network, *exec;
	bool detach, rm;
	uint64_t count;
	struct strv publish, volume;
};

/* Whether they fit together. */
int clone_check(const struct clone_opts *o, struct err *e);
/* Prints the options that `fcvm run` would have for such a machine, as shell assignments. */
int clone_options(const struct snapshot *s, const struct clone_opts *o, struct err *e);
/* Prints the clone's plan. */
int clone_plan(const struct snapshot *s, const struct clone_opts *o, struct err *e);

#endif
