/* SPDX-License-Identifier: MIT
 * What tells a clone from the machine that it was: nothing of a user's has run in it yet. */
#ifndef FCVM_CLONE_H
#define FCVM_CLONE_H

#include "agent.h"

/* Clock, random numbers, names, machine-id and boot_id as the message has them; connections of the
 * other machine are ended. 0, or -1 with e filled. */
#define CLONE_MOUNTS 2
/* files: to be closed, with clone_close(), when the kernel's threads run again. */
int clone_become(struct agent *a, const json_t *message, int files[CLONE_MOUNTS], struct err *e);
/* Before anything is held: what it will look up is then in memory, and needs no disk. */
void clone_rehearse(const struct agent *a);
void clone_close(int files[CLONE_MOUNTS]);

/* tcp_end.c: ends all TCP connections that lead out of the machine, as a reset would. -errno where
 * the kernel cannot. */
int tcp_end_foreign(void);
bool tcp_can_end(void);

#endif
