/* SPDX-License-Identifier: MIT
 * Run directories of VMs: BASE/NAME/, made under the global lock BASE/.lock. A VM is alive exactly
 * while somebody holds BASE/NAME/lock exclusively; the descriptor is inherited by every process of
 * the VM that must keep it alive. Whether a VM is alive is asked with a shared lock, so that asking
 * never looks like living. A dead directory is never used again: it is removed, by its janitor, its
 * owner's orderly end or the next sweep, always under the global lock.
 *
 * Functions return 0, or -1 with e filled (status FCVM_EX_FAIL unless said). */
#ifndef FCVM_RUNDIR_H
#define FCVM_RUNDIR_H

#include "err.h"

#include <stddef.h>
#include <sys/types.h>

struct rundir {
	char *dir;    /* absolute path of BASE/NAME */
	char *name;   /* into dir */
	int lock_fd;  /* holds the lock; close-on-exec until rundir_inherit() */
	int watch_fd; /* another description of the lock file, for the janitor */
	int base_fd;
};
#define RUNDIR_NONE                                          \
	{                                                    \
		.lock_fd = -1, .watch_fd = -1, .base_fd = -1 \
	}

/* Sweeps, then makes and locks the directory. base: created 0700 when missing, refused when it is
 * not ours alone, or is neither empty nor one that was made for this (it has no .lock). name: NULL
 * or "" for a random one. A taken name: the message says who holds it. The caller ends with
 * rundir_free(), which gives up the lock but removes nothing. */
int rundir_reserve(const char *base, const char *name, struct rundir *rd, struct err *e);
void rundir_free(struct rundir *rd);

/* Starts a detached process that outlives the VM only to remove its directory. It holds no
 * descriptor but its own. title: memory of the argument vector to show a short title in, or NULL.
 */
int rundir_janitor(const struct rundir *rd, char *title, size_t title_size, struct err *e);

/* Moves the lock to a descriptor out of the way of shell redirections that survives exec and
 * returns its number, or -1. */
int rundir_inherit(struct rundir *rd, struct err *e);

/* Orderly end: removes the directory whose lock file lock_fd is, whatever its name is by now. */
int rundir_release(int lock_fd, struct err *e);

/* Gives a running VM another name. A name that is taken or malformed is refused as by
 * rundir_reserve(); status FCVM_EX_NOTFOUND: no VM of the old name. */
int rundir_rename(const char *base, const char *name, const char *new_name, struct err *e);

/* Removes dead directories, known by the lock file in them; other directories stay. A missing base
 * is success. */
int rundir_sweep(const char *base, struct err *e);

/* Sweeps and calls fn for each live VM, in no order; pid is 0 when it is not known. */
int rundir_list(const char *base, void (*fn)(const char *name, pid_t pid, void *ctx), void *ctx,
        struct err *e);

#endif
