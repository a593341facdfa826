/* SPDX-License-Identifier: MIT
 * The keeper is a process that accepts the server's connections, holds a pidfd of each client, and
 * ends them all when the server ends without a word, whatever ended it: a machine whose memory is
 * no longer served would hang for ever. It does nothing else, so that there is little to end it.
 * The server in turn ends all clients when the keeper goes. */
#ifndef FCVM_MEM_KEEPER_H
#define FCVM_MEM_KEEPER_H

#include "mem_socket.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* From the keeper, with two descriptors: the connection and the pidfd. */
struct mem_news {
	uint64_t id;
	pid_t pid;
};

/* To the keeper. */
struct mem_word {
	uint64_t id; /* this one is no client any more; 0: the server ends in order */
};

/* Closes nothing, but makes sure that nothing more comes. If the process has begun to describe its
 * memory it has a machine that will wait for it, and is ended: true. */
bool mem_turn_away(int conn, int pidfd);

/* Starts it. Returns the SOCK_SEQPACKET to it, or -1 with e filled. */
int mem_keeper_start(const struct mem_socket *s, pid_t *pid, struct err *e);

/* Turns away all that wait to be accepted; returns how many were ended. */
size_t mem_keeper_drain(int listen_fd);

#endif
