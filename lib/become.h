/* SPDX-License-Identifier: MIT
 * For programs that set something up and then run the rest of their command line. */
#ifndef FCVM_BECOME_H
#define FCVM_BECOME_H

#include "err.h"

#include <jansson.h>
#include <stdbool.h>

/* Tells what was set up: with `print` on stdout, for scripts, and as FILE in the run directory that
 * FCVM_RUN_DIR names, if any, for what runs further on. 0, or -1 with e filled. */
int become_tell(const json_t *doc, const char *file, bool print, struct err *e);

/* Executes argv as execvp(3) does. Returns only with an error: -1, status FCVM_EX_NOENT or
 * FCVM_EX_NOEXEC. */
int become(char *const *argv, struct err *e);

/* The exit status for an error: these two, and FCVM_EX_FAIL for every other, because the rest are
 * statuses of the program that was to be run. */
int become_status(int status);

#endif
