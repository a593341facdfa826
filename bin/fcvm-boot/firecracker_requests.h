/* SPDX-License-Identifier: MIT
 * The sequences of API requests that start, save and restore a machine. */
#ifndef FCVM_FIRECRACKER_REQUESTS_H
#define FCVM_FIRECRACKER_REQUESTS_H

#include "firecracker_api.h"
#include "vmm.h"

#define FC_OLDEST_MAJOR 1
#define FC_OLDEST_MINOR 7
#define FC_CPUS_MAX     32

/* Descriptors that the process has under these numbers, always: what it opens by
 * /proc/self/fd/NUMBER then has the same name in every process, which a snapshot insists on. */
#define FC_FD_DIR     200 /* of its sockets */
#define FC_FD_LOG     201
#define FC_FD_DISK    202                      /* and the ones after it */
#define FC_FD_STATE   (FC_FD_DISK + VMM_DISKS) /* to begin from */
#define FC_FD_MEMORY  (FC_FD_STATE + 1)
#define FC_FD_METRICS (FC_FD_MEMORY + 1)
#define FC_FD_END     (FC_FD_METRICS + 1)

/* Names alone, of files that a process in a jail is lent to write. */
#define FC_NAME_STATE  FC_FD_END
#define FC_NAME_MEMORY (FC_FD_END + 1)

/* The same with a number, for a request. */
#define FC_FD_PATH "/proc/self/fd/%d"

/* In that directory. */
#define FC_API_NAME   "api"
#define FC_VSOCK_NAME "vsock"
#define FC_PAGER_NAME "pager"

/* Whether this release is known to do what is asked here. */
int fc_check_version(const struct fc_version *v, struct err *e);

/* From a fresh process to a running guest, whose kernel and initrd the process finds as in *c. tap:
 * name of the network's device, or NULL. */
int fc_boot(struct fc_api *a, const struct vmm_config *c, const char *tap, struct err *e);

/* Stops the guest; fc_resume() is for a failure as well. */
int fc_pause(struct fc_api *a, struct err *e);
int fc_resume(struct fc_api *a, struct err *e);

/* Writes the state and the memory, of so many bytes, of a guest that is stopped to these files
 * (paths as the process sees them). */
int fc_create(
        struct fc_api *a, const char *state, const char *memory, uint64_t bytes, struct err *e);

struct fc_restore {
	const char *state;
	const char *memory;  /* a file, or */
	const char *pager;   /* the socket of a page server; the other is NULL */
	const char *tap;     /* NULL: no network, or under its old name */
	const char *vsock;   /* NULL: where it was */
	bool clock_realtime; /* the guest's clock steps to the present */
};

/* From a fresh process to a guest that goes on. A process that failed to load is of no more use. */
int fc_restore(struct fc_api *a, const struct fc_restore *r, struct err *e);

#endif
