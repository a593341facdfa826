/* SPDX-License-Identifier: MIT
 * Words that one process of the present network namespace can have at a time: names of the abstract
 * socket namespace, which belongs to the network namespace as addresses do. One goes with the last
 * copy of its descriptor, is in nobody's way as a port would be, and leaves no file. */
#ifndef FCVM_NET_RESERVE_H
#define FCVM_NET_RESERVE_H

#include <stddef.h>
#include <sys/socket.h>
#include <sys/un.h>

/* The descriptor that holds the word, or -errno; -EADDRINUSE: somebody has it. */
int reserve(const char *word);

/* The name of the word's socket. */
socklen_t reserve_name(struct sockaddr_un *a, const char *word);

#endif
