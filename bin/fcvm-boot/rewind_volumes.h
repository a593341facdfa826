/* SPDX-License-Identifier: MIT
 * The volumes of a machine that goes back. Host directories and named volumes are as they are now,
 * and the sessions of then are gone on with, as in a clone; anonymous ones go back as the disk
 * does. Copies are made before anything is lost: only after rewind_volumes_go_on() is there no way
 * back. */
#ifndef FCVM_BOOT_REWIND_VOLUMES_H
#define FCVM_BOOT_REWIND_VOLUMES_H

#include "boot_vol.h"
#include "snapshots.h"
#include "supervise.h"

struct rewind_volumes {
	const struct machine *m;      /* borrowed */
	const struct snapshot *found; /* borrowed */
	struct vol streams;           /* of the other machine; keeper: borrowed */
	size_t staged;                /* the first ones have been looked at */
};

/* Whether the machine has the volumes that the snapshot's had. 0, or -1 with e filled. */
int rewind_volumes_check(const struct machine *m, const struct snapshot *found, struct err *e);

/* Both stay; the machine stands still. v->streams has the ports of the other one. 0, or -1 with e
 * filled. rewind_volumes_end() in any case, which leaves volumes that are not gone on with as they
 * were. */
int rewind_volumes_begin(struct rewind_volumes *v, const struct machine *m,
        const struct snapshot *found, struct err *e);
void rewind_volumes_end(struct rewind_volumes *v);

/* The other machine has its ports. How many open files and locks could not be had again, or -1 with
 * e filled: there is nothing to go back to. */
int64_t rewind_volumes_go_on(struct rewind_volumes *v, struct err *e);

#endif
