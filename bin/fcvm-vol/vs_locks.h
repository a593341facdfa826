/* SPDX-License-Identifier: MIT
 * Between vs_locks.c and vs_locks_saved.c. */
#ifndef FCVM_VS_LOCKS_H
#define FCVM_VS_LOCKS_H

#include "vs.h"

#include <fcntl.h>

#define OWNERS_MAX 65536

struct vs_lock_owner {
	struct vs_lock_owner *next;
	uint64_t owner;
	int fd;
	uint32_t users; /* requests that use fd */
	bool dropped;
};

struct vs_wait {
	struct vs_wait *next, **at;
	struct vs *s;
	struct vs_node *node;
	struct vs_handle *handle;    /* flock */
	struct vs_lock_owner *owner; /* POSIX */
	struct flock lock;
	uint64_t unique;
	pthread_t thread;
	bool interrupted;
	bool sent; /* its answer was; under `out` */
	bool over; /* it waits no longer, and uses nothing */
	int result;
};

/* The owner's entry, in use. An owner keeps its node. Under the locks' lock, as the next. */
int vs_take_owner(
        struct vs *s, struct vs_node *n, uint64_t owner, bool make, struct vs_lock_owner **out);
void vs_release_owner(struct vs *s, struct vs_lock_owner *o);
/* Takes w over if it is 0, which is what is answered by then; -ENOLCK. */
int vs_start_waiter(struct vs_wait *w);
void vs_drop_wait(struct vs_wait *w);

#endif
