/* SPDX-License-Identifier: MIT
 * The verbs of fcvm-snapshot. Each returns the exit status, or -1 with e filled. */
#ifndef FCVM_SNAPSHOT_TOOL_H
#define FCVM_SNAPSHOT_TOOL_H

#include "err.h"
#include "snapshots.h"
#include "strv.h"

#include <stdbool.h>
#include <stdint.h>

struct tool_opts {
	const char *tag;
	bool stop, json, quiet, all, force, disk_only, in_place;
	uint64_t limit;
};

typedef int tool_verb(
        const struct snapshots *s, const struct tool_opts *o, char **words, struct err *e);
tool_verb tool_create, tool_ls, tool_inspect, tool_rm, tool_prune, tool_export, tool_import,
        tool_serve, tool_restore;

/* The one word of a verb that takes one; NULL with e filled. */
const char *tool_word(char **words, const char *verb, const char *what, struct err *e);

#endif
