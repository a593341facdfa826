/* SPDX-License-Identifier: MIT
 * Between the files of snapshot.c. */
#ifndef FCVM_BOOT_SNAPSHOT_OWN_H
#define FCVM_BOOT_SNAPSHOT_OWN_H

#include "job.h"
#include "snapshots.h"
#include "warm.h"

enum step {
	STEP_BASE,   /* a helper copies what the guest's memory began as */
	STEP_HOLD,   /* FREEZE waits for its turn */
	STEP_FREEZE, /* until FROZEN */
	STEP_DISK,   /* of a disk alone: a helper copies it, while the guest goes on otherwise */
	STEP_KEEP    /* a helper makes it durable and gives it its name */
};

struct snapshot_job {
	struct job job;
	bool stop, stopped; /* the machine is not to go on; does not */
	bool disk;          /* without memory and state */
	struct snapshots store;
	struct snapshot_new files;
	const struct warm *warm; /* NULL, or this is no snapshot but a startup template: */
	struct warm_new warm_new;
	enum step step;
	int64_t frozen_us, pause_us;
	json_t *meta;
};

/* All of the machine, which is at rest, into the files: it is stopped afterwards. 0, or -1 with e
 * filled. */
int snapshot_save(struct snapshot_job *j, struct err *e);

#endif
