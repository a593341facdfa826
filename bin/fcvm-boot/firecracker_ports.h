/* SPDX-License-Identifier: MIT
 * The guest's streams over vsock: the guest connects to a number, and Firecracker to a socket of
 * that number's name, which is listened on here. A stream that belongs to somebody else already is
 * joined to it by a process of its own. */
#ifndef FCVM_FIRECRACKER_PORTS_H
#define FCVM_FIRECRACKER_PORTS_H

#include "err.h"
#include "vmm.h"

/* A socket that listens on the stream of that name in the directory: a descriptor, or -1 with e
 * filled. */
int fc_listen(int dir, const char *name, struct err *e);

/* A connection to it, close-on-exec; -1 with errno set. */
int fc_accept(int listen_fd);

/* Joins all of these, each for one connection of the guest's. Returns the process, 0 if there is
 * nothing to join, or -1 with e filled. */
pid_t fc_join(int dir, const struct vmm_port *ports, size_t n, struct err *e);

#endif
