/* SPDX-License-Identifier: MIT
 * What tells a clone from the machine that it was: nothing of a user's has run in it yet. */
#ifndef FCVM_CLONE_H
#define FCVM_CLONE_H

#include "agent.h"

/* Clock, random numbers, names, machine-id and boot_id as the message has them; connections of the
 * other machine are ended. 0, or -1 with e filled. */
int clone_become(struct agent *a, const json_t *message, struct err *e);
/* Before anything is held: the process that does so in the container is there and waits, so that a
 * clone, in which all code runs for the first time, starts none. It gets a turn only with the
 * agent's priority. 0, or -1 with e filled. */
int clone_prepare(struct agent *a, struct err *e);
/* It is no longer wanted. Not while anything is held: what it had ready may have to be unmounted.
 */
void clone_dismiss(struct agent *a);

/* tcp_end.c: ends all TCP connections that lead out of the machine, as a reset would. -errno where
 * the kernel cannot. */
int tcp_end_foreign(void);
bool tcp_can_end(void);

#endif
