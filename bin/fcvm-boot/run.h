/* SPDX-License-Identifier: MIT
 * The verbs of fcvm-boot. Each returns the exit status, with e filled where there is something to
 * say (e->text is empty otherwise). */
#ifndef FCVM_RUN_H
#define FCVM_RUN_H

#include "err.h"

#include <stdbool.h>
#include <stddef.h>

struct run_opts {
	const char *plan, *image; /* run */
	const char *snapshot;     /* run: the tag of one, instead of an image */
	const char *exec;         /* run, of a snapshot */
	const char *kernel, *initrd, *accel,
	        *append;  /* selftest; they override setup.json in run */
	bool json;        /* probe, selftest */
	bool no_snapshot; /* run: boot, use no template */
};

/* The machine that the plan asks for, until the container has ended. tail: see supervise.h. */
int run_plan(const struct run_opts *o, char *tail, size_t tail_size, struct err *e);

/* Makes the template of the machine that the plan asks for, unless it is there, and prints its key.
 */
int run_template(const struct run_opts *o, struct err *e);

/* A machine without disks: the agent answers and is told to end. Prints the milliseconds. */
int run_selftest(const struct run_opts *o, char *tail, size_t tail_size, struct err *e);

#endif
