/* SPDX-License-Identifier: MIT
 * A process in the host's network namespace that connects to the resolvers over TCP, and to nothing
 * else, for the keeper that is in the VM's. Asked over a socket: one byte, the resolver's index;
 * answered in order: one byte 1 with the descriptor of a socket that is connecting (non-blocking),
 * or 0. */
#ifndef FCVM_NET_OPENER_H
#define FCVM_NET_OPENER_H

#include "err.h"
#include "resolv.h"

#include <stddef.h>

/* *fd: the keeper's end, close-on-exec and non-blocking. *report: for helper_wait. */
int opener_start(const struct resolv *r, char *title, size_t title_size, int *fd, int *report,
        struct err *e);

/* In the keeper: the next answer: a descriptor; -ECONNREFUSED: that one failed; -EAGAIN: none yet;
 * -EPIPE: the opener is gone. */
int opener_take(int fd);

#endif
