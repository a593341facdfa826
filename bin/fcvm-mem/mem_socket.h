/* SPDX-License-Identifier: MIT
 * The socket that clients connect to. Its name is claimed whole: nobody finds one that refuses, two
 * servers never have one name, and what a dead server left is taken over. */
#ifndef FCVM_MEM_SOCKET_H
#define FCVM_MEM_SOCKET_H

#include "err.h"

#include <sys/types.h>

struct mem_socket {
	int fd;  /* listens, non-blocking */
	int dir; /* where its name is */
	char name[256];
	ino_t ino; /* of the name */
};

/* 0, or -1 with e filled (status FCVM_EX_BUSY: a server that lives has the name). */
int mem_socket_open(struct mem_socket *s, const char *path, struct err *e);

/* Takes the name away, if it is still this socket's. */
void mem_socket_unlink(const struct mem_socket *s);

/* A connection to the server there, or -1 with e filled. */
int mem_socket_connect(const char *path, struct err *e);

/* A descriptor of the process at the other end of a connection, and its pid; -errno. */
int mem_socket_peer(int conn, pid_t *pid);

#endif
