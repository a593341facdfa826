/* SPDX-License-Identifier: MIT
 * A VM in two processes: the front, which the caller waits for and which has its terminal and
 * standard streams, and the machine's own process, which the front may leave behind. Until it does,
 * the machine dies with it: a parent-death signal, and a connection whose end is the machine's. */
#ifndef FCVM_FRONT_H
#define FCVM_FRONT_H

#include "err.h"

#include <sys/types.h>

#define FRONT_ENV "FCVM_FRONT_FD" /* number of the machine's end; it survives exec */

/* Forks. In the child returns 0: it leads a session of its own, has FRONT_ENV in its environment
 * and nothing on stdin. In the parent returns the child's pid, with *fd the connection. -1 with e
 * filled. */
pid_t front_split(int *fd, struct err *e);

/* The descriptor that FRONT_ENV names, now close-on-exec, or -1; the variable is removed. */
int front_inherited(void);

#endif
