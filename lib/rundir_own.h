/* SPDX-License-Identifier: MIT
 * Between the files of rundir only. */
#ifndef FCVM_RUNDIR_OWN_H
#define FCVM_RUNDIR_OWN_H

#include <stdbool.h>

/* Whether the base is one of ours (it has our .lock) or empty, so that it may become one. */
bool rundir_base_known(int base_fd);

/* Under the global lock: removes BASE/NAME, which is known to be dead, if it holds the lock file of
 * a VM of ours or nothing at all. Anything else is somebody's data and stays: -ENOTEMPTY or
 * -ENOTDIR. Returns 0 or -errno. */
int rundir_remove(int base_fd, const char *name);

/* The path of the directory whose lock file lock_fd is, as it is now: 0, or -1 if it is no more. */
int rundir_path(int lock_fd, char *path, size_t size);

/* Under the global lock: removes that directory, if it is still there. False only where it is and
 * cannot be removed. */
bool rundir_remove_own(int base_fd, int lock_fd);

#endif
