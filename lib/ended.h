/* SPDX-License-Identifier: MIT
 * What is kept of VMs that have ended: DATA/ended/NAME/ with the last state.json and the log, so
 * that `fcvm logs`, `wait` and `inspect` still answer. The newest ENDED_MAX are kept; the name is
 * free all the same, and whoever takes it next replaces the record.
 *
 * Writers hold DATA/ended/.lock. Readers need no lock: a record comes and goes by rename(2). */
#ifndef FCVM_ENDED_H
#define FCVM_ENDED_H

#include "err.h"

#include <jansson.h>

#define ENDED_DIR "ended"
#define ENDED_MAX 100

/* Keeps the state, and the log of the run directory run_dir if it has one. 0, or -1 with e. */
int ended_keep(const char *data, const char *name, const json_t *state, int run_dir, struct err *e);

/* Removes the record. Returns 1; 0: there was none; -1 with e. */
int ended_remove(const char *data, const char *name, struct err *e);

#endif
