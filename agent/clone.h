/* SPDX-License-Identifier: MIT
 * What tells a clone from the machine that it was: nothing of a user's has run in it yet. */
#ifndef FCVM_CLONE_H
#define FCVM_CLONE_H

#include "agent.h"
#include "clone_names.h"

/* Clock, random numbers, names, machine-id and boot_id as the message has them; connections of the
 * other machine are ended. 0, or -1 with e filled. */
int clone_become(struct agent *a, const json_t *message, struct err *e);

/* Files with what the machine is known by, in memory, and mounts of them that are attached nowhere
 * yet. 0, or -1 with errno. */
int clone_open_files(struct standby *s);
void clone_close_files(struct standby *s);

/* In the standby: looks up what will be needed, which then is in memory and needs no disk; and
 * shows the container those files and its new host name. 0, or -1 with errno. */
int clone_rehearse(struct clone_names *names, const int mounts[CLONE_COVERS]);
int clone_rename(const struct clone_names *names, const char *name, const char *old,
        const int mounts[CLONE_COVERS]);

/* tcp_end.c: ends all TCP connections that lead out of the machine, as a reset would. -errno where
 * the kernel cannot. */
int tcp_end_foreign(void);
bool tcp_can_end(void);

#endif
