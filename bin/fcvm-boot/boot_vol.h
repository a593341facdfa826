/* SPDX-License-Identifier: MIT
 * The volumes that fcvm-vol(1) serves to this machine: it is told of a connection for each, and
 * tells when a server has ended. */
#ifndef FCVM_BOOT_VOL_H
#define FCVM_BOOT_VOL_H

#include "err.h"
#include "vmm.h"

#include <jansson.h>

struct vol {
	int keeper;  /* SOCK_SEQPACKET to fcvm-vol; -1: there are no volumes */
	json_t *doc; /* volumes.json of the run directory */
	size_t n;
	struct vmm_port ports[VMM_PORTS]; /* of the machine: one a volume */
	int servers[VMM_PORTS];           /* their other ends */
};

/* dir: the run directory, or -1. Takes the descriptor out of the environment: it is not inherited
 * any further. Ends with vol_free(), also after a failure. 0, or -1 with e filled. */
int vol_take(int dir, struct vol *v, struct err *e);
void vol_free(struct vol *v);

/* Makes the streams: the machine's ends are in v->ports from then on, until vol_free(). */
int vol_open(struct vol *v, struct err *e);

/* The machine has its ends; gives the servers theirs. */
int vol_connect(struct vol *v, struct err *e);

/* Adds the volumes to the plan's mounts. */
int vol_complete(json_t *plan, const struct vol *v, struct err *e);

/* Has the session of volume `index`, which is at rest, written to fd from `at` on. The number of
 * bytes, or -1 with e filled. */
int64_t vol_save(int keeper, size_t index, int fd, uint64_t at, struct err *e);

/* Has the volume's files copied into an empty directory: 0, or -1 with e filled. */
int vol_copy(int keeper, size_t index, int dir, struct err *e);

/* A session that was saved: `size` bytes of fd from `at` on. */
struct vol_session {
	int fd;
	uint64_t at, size;
	bool copied; /* the volume's files are a copy of those that it is about: */
	int dir;     /* from here they come; -1: they are there */
};
/* The one of such a volume of a saved machine; fd and dir: as above. */
struct vol_session vol_session_of(const json_t *volume, int fd, int dir);
/* Whether a saved machine has a copy of the volume's files, because it is the machine's own. */
bool vol_is_copied(const json_t *volume);

/* Has the server go on from one, before vol_connect(); the one that is there ends. How many open
 * files and locks could not be had again, or -1 with e filled. */
int64_t vol_load(int keeper, size_t index, const struct vol_session *s, struct err *e);

/* Has such a copy made ready to be the volume's files at the next vol_load(), while the machine
 * stands still: 0, or -1 with e filled and nothing is changed. Or not wanted any more. */
int vol_stage(int keeper, size_t index, int dir, struct err *e);
int vol_unstage(int keeper, size_t index, int dir, struct err *e);

/* Event of a machine's connection to fcvm-vol (loop.h): a server has ended, and the run ends. */
void vol_event(void *ctx, uint32_t events);

#endif
