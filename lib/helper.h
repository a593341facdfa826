/* SPDX-License-Identifier: MIT
 * The processes that work for a VM while PROGRAM runs, which the program that started them has
 * become. They are children of it and die with it (SIGKILL as the parent-death signal), hold no
 * descriptor but those named, have /dev/null as standard streams, no terminal, and raise no
 * SIGCHLD: a program that waits for all its children, as shells and make do, does not wait for
 * them. */
#ifndef FCVM_HELPER_H
#define FCVM_HELPER_H

#include "err.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct helper {
	const char *program; /* whose helper it is, and its name: as ps shows them */
	const char *name;
	unsigned clone_flags; /* CLONE_NEWPID or 0 */
	const int
	        *keep; /* descriptors it keeps under their numbers; those below 3 are passed over */
	size_t n_keep;
	char *title; /* memory of the argument vector, to be overwritten, or NULL */
	size_t title_size;
	pid_t *pid; /* receive its number and a pidfd; may be NULL */
	int *pidfd;
	/* Runs in the helper, and ends it when it returns. It must call helper_ready() once. */
	void (*fn)(void *ctx, int report);
	void *ctx;
};

/* Starts it; *report is the parent's end of the line on which the helper says that it is ready. The
 * caller closes *report. */
int helper_start(const struct helper *h, int *report, struct err *e);

/* In the helper: says that it is ready (e NULL), or why it is not. Returns false if nobody listens.
 */
bool helper_tell(int report, const struct err *e);

/* In the parent: waits for the next helper_tell(). -1 with e filled. */
int helper_wait(int report, const char *name, struct err *e);

/* In the parent, which listens no more: helper_tell() returns false from here on. -1 with e filled
 * if a failure was told before. */
int helper_leave(int report, struct err *e);

/* Gives up all capabilities for good, and new ones through execve(2). */
int helper_drop_privileges(void);

#endif
