/* SPDX-License-Identifier: MIT
 * The kernel's worker threads, for a while with the highest real-time priority: sched(7). */
#ifndef FCVM_KWORKERS_H
#define FCVM_KWORKERS_H

#include <stddef.h>
#include <sys/types.h>

struct kworkers {
	pid_t *pids;
	size_t n; /* 0: none is raised */
};

/* All that there are now. 0, or -1 with errno set: none is. */
int kworkers_raise(struct kworkers *k);
void kworkers_lower(struct kworkers *k);

#endif
