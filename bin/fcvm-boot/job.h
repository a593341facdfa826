/* SPDX-License-Identifier: MIT
 * Work on the running machine that takes time and must leave it as it was unless all of it is done:
 * snapshot.c's and rewind.c's. A machine has one at a time. */
#ifndef FCVM_BOOT_JOB_H
#define FCVM_BOOT_JOB_H

#include "aide.h"
#include "name.h"
#include "supervise.h"

/* The member of each job, its first. */
struct job {
	const struct job_kind *kind;
	struct machine *m;
	struct conn *owner; /* who asked for it; NULL: nobody did, or he has gone */
	char tag[NAME_MAX_LEN + 1];
	struct aide aide;
	int64_t until_ms; /* CLOCK_MONOTONIC: due() is called then, too; -1: never */
};
struct job_kind {
	void (*due)(struct job *j, int64_t now);          /* now and then: whether it goes on */
	void (*fail)(struct job *j, const struct err *e); /* tells the owner, and finishes it */
	void (*finish)(struct job *j);                    /* at any time; frees it */
};

/* The snapshot's tag that a request names, the VM's own name without one. Or NULL: it was refused,
 * for `why` (NULL: nothing is in the way) or because that is no tag. */
const char *job_tag(struct conn *c, const json_t *request, const char *why);

/* Gives the machine a job, at the request of owner (may be NULL). */
void job_begin(struct job *j, const struct job_kind *kind, struct machine *m, struct conn *owner,
        const char *tag);

/* Of the machine's job, if it has one. */
void job_due(struct machine *m, int64_t now);
int64_t job_next(const struct machine *m); /* CLOCK_MONOTONIC ms; -1: nothing is due */
void job_leave(struct conn *c);            /* its owner has gone: there is nobody to do it for */
void job_end(struct machine *m);           /* the machine has ended */

#endif
