/* SPDX-License-Identifier: MIT
 * Volumes: directories and files of the host. Each is a FUSE file system whose server is
 * fcvm-vol(1) at the other end of a virtio port; a relay process carries its messages. The agent
 * mounts them for itself, below VOLUME_DIR, and gives copies of the mounts to the container: so a
 * container that runs again finds them as they were. */
#ifndef FCVM_VOLUME_H
#define FCVM_VOLUME_H

#include "err.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#define VOLUME_DIR  "/volumes"
#define VOLUMES_MAX 32

struct volumes {
	size_t n;
	pid_t writer; /* writes back what is only in this machine's memory; 0: none does */
	bool written;
	int relays[VOLUMES_MAX]; /* control sockets (fuserelay.h) */
	bool resting;
};

/* Mounts what the plan names, unless it was done before. 0, or -1 with e filled. */
int volumes_mount(struct volumes *v, const json_t *plan, struct err *e);

/* Sends a copy of each mount to a stage that was given the plan. */
int volumes_hand_over(const struct volumes *v, int sock, struct err *e);

/* The container has ended. false: not everything is written yet; when the process that does it was
 * reaped, ask again. */
bool volumes_written(struct volumes *v);
/* Whether this child was that process. */
bool volumes_reaped(struct volumes *v, pid_t pid);

/* Nothing is on the wires any more, for as long as the machine is saved: 0, or -1 with e filled;
 * volumes_go_on() in either case. From here until volumes_calm() the relays work although all CPUs
 * are held. */
int volumes_rest(struct volumes *v, struct err *e);
/* The relays go on. wait: until the kernel knows what must not be believed any more, but not for
 * ever, because whoever is held may hold a directory. */
void volumes_go_on(struct volumes *v, bool wait);
void volumes_calm(struct volumes *v);

/* --- inside the stage --- */

/* Takes the plan's volumes from the agent: fds[] gets them in the plan's order, *n how many. */
int stage_volumes_take(
        int sock, const json_t *plan, int fds[VOLUMES_MAX], size_t *n, struct err *e);
/* Puts the mount (which is closed) where the plan's entry says. */
int stage_volume(const json_t *mount, int fd, struct err *e);

/* Whether an entry of the plan's mounts is a volume. */
bool volume_is(const json_t *mount);

#endif
