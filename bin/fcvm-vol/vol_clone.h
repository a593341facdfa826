/* SPDX-License-Identifier: MIT
 * The volumes of a snapshot, for a clone of its machine. */
#ifndef FCVM_VOL_CLONE_H
#define FCVM_VOL_CLONE_H

#include "snapshots.h"
#include "vol_server.h"

struct vol_clone {
	char id[SNAPSHOT_ID];
	struct vol_saved saved[VOL_MAX];
	int dir;            /* of the snapshot, which stays whole as long */
	bool file[VOL_MAX]; /* what was shared was a file, no directory */
};

/* What the snapshot says of them, in the machine's order. 0, or -1 with e filled. The file of what
 * was saved stays open. */
int vol_clone_read(
        struct vol_clone *c, const char *tag, struct vol_spec *v, size_t *n, struct err *e);
/* Whether the source of volume i is there as it was; it has passed vol_spec_check(), or is a named
 * volume. */
int vol_clone_check(const struct vol_clone *c, size_t i, const struct vol_spec *v, struct err *e);
/* Memory for what could not be had again, shared with children; NULL without a clone or memory. */
char (*vol_clone_lost(const struct vol_clone *c, size_t n))[VOL_LOST_MAX];

#endif
