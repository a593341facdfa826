/* SPDX-License-Identifier: MIT
 * A process in the container's namespaces that is made before the machine is saved and waits.
 * In a clone it is what makes the container another (clone.h), and then it can become the command
 * of a session that the host announced: code that a clone runs for the first time is slow where it
 * is emulated, and so neither forks nor enters anything. */
#ifndef FCVM_STANDBY_H
#define FCVM_STANDBY_H

#include "agent.h"

/* Before anything is held. It gets a turn only with the agent's priority. 0, or -1 with e filled.
 */
int standby_start(struct agent *a, struct err *e);

/* Once all is held: whoever is in the container can have killed or stopped it until then. 0, or -1
 * with e filled. */
int standby_check(const struct agent *a, struct err *e);

/* In a clone: the container is called so from now on. stay: a command will follow. */
int standby_rename(struct agent *a, const char *name, const char *old, bool stay, struct err *e);

/* Whether it has stayed. */
bool standby_waits(const struct agent *a);

/* Makes it the process of a session that asks for nothing but arguments and a terminal, whose
 * standard descriptors these are; NULL: it makes a terminal or, where none is wanted, has pipes and
 * no input, and their other ends become ours[]. *sock is as of exec_start(), and *pid is known. */
int standby_exec(struct agent *a, const json_t *request, const int stdio[3], int ours[3], int *sock,
        pid_t *pid, struct err *e);

/* It is no longer wanted; it is reaped as any. Not while anything is held: what it had ready may
 * have to be unmounted. */
void standby_dismiss(struct agent *a);

#endif
