/* SPDX-License-Identifier: MIT
 * A helper program (skopeo, tar2sqfs) that runs beside us, its stderr kept for the error line. */
#ifndef CACHE_CHILD_H
#define CACHE_CHILD_H

#include "err.h"
#include "proc.h"

#include <stddef.h>

struct child {
	struct proc proc;
	int log; /* memory file with its stderr */
};

/* stdin from `in` (-1: /dev/null), stdout to `out` (-1: /dev/null). 0, or -1 with e filled. */
int child_start(struct child *c, char *const *argv, int in, int out, struct err *e);

/* Waits at most ms (-1: for ever): 1 it ended, 0 not yet. */
int child_poll(const struct child *c, int ms);

/* Waits for the end: its exit status (128 + N for a signal) with the last line of its stderr in
 * line ("" if none), or -1 with e filled. Frees everything. */
int child_end(struct child *c, char *line, size_t size, struct err *e);

void child_kill(struct child *c); /* and reaps it */

#endif
