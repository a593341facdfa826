/* SPDX-License-Identifier: MIT
 * The process that holds a VM's volumes together: it starts a server for each, hands them the
 * machine's streams, and says so when one has ended. It and the servers end with the machine. */
#ifndef FCVM_VOL_KEEPER_H
#define FCVM_VOL_KEEPER_H

#include "err.h"
#include "vol_server.h"

struct vol_keeper {
	const struct vol_spec *v;
	size_t n;
	int machine;      /* its end of the socket that PROGRAM gets */
	const int *locks; /* of named volumes, to be held */
	size_t n_locks;
	const struct vol_saved *saved; /* one a volume; NULL: they begin anew */
	char (*lost)[VOL_LOST_MAX];    /* with saved; in memory that is shared with a child */
	char *title;
	size_t title_size;
};

/* Returns when all servers are ready. */
int vol_keeper_start(struct vol_keeper *k, struct err *e);

#endif
