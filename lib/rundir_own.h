/* SPDX-License-Identifier: MIT
 * Between the files of rundir only. */
#ifndef FCVM_RUNDIR_OWN_H
#define FCVM_RUNDIR_OWN_H

#include <stdbool.h>

/* Under the global lock: removes BASE/NAME if it is still the one whose lock file lock_fd is.
 * False only where it is and cannot be removed. */
bool rundir_remove_own(int base_fd, const char *name, int lock_fd);

#endif
