/* SPDX-License-Identifier: MIT
 * The server: takes connections from the keeper, hears what they want, and has a thread for each
 * machine. */
#ifndef FCVM_MEM_SERVER_H
#define FCVM_MEM_SERVER_H

#include "err.h"
#include "loop.h"
#include "mem_client.h"
#include "mem_socket.h"

#include <jansson.h>
#include <stdbool.h>

struct mem_opts {
	const char *memory, *socket, *record, *replay;
	uint64_t clients, ready_fd;
	bool json;
};

/* A connection that has not said all yet. */
struct mem_asking {
	struct mem_server *s;
	struct watch watch;
	uint64_t id;
	pid_t pid;
	int conn, pidfd, uffd;
	int64_t until_ms;
	size_t n;
	char text[MEM_HANDSHAKE_MAX + 1];
	struct mem_asking *next;
};

struct mem_server {
	const struct mem_opts *o;
	struct mem_source source;
	struct mem_socket socket;
	struct loop loop;
	int keeper, over, signals;
	pid_t keeper_pid;
	struct watch keeper_watch, over_watch, signal_watch;
	struct mem_asking *asking;
	size_t n_asking;
	struct mem_client **clients; /* o->clients of them; NULL: free */
	size_t n_clients;
	bool recording; /* some client's order was, or is being, recorded */
	uint64_t served, failed;
	int64_t since_ms;
	int signal;  /* that ends it; 0: none */
	bool lost;   /* the keeper */
	bool stored; /* the record was written */
};

/* Runs until it is told to end: 0, or -1 with e filled. */
int mem_serve(const struct mem_opts *o, struct err *e);

/* mem_asking.c: a connection from the keeper, from the first word to the last. */
void mem_asking_add(struct mem_server *s, uint64_t id, pid_t pid, int conn, int pidfd);
void mem_asking_due(struct mem_server *s, int64_t now);
int64_t mem_asking_next(const struct mem_server *s); /* -1: never */
void mem_asking_end(struct mem_asking *a);           /* closes and frees it */
bool mem_asking_is_machine(struct mem_asking *a);    /* then its process was ended */
void mem_release(struct mem_server *s, uint64_t id); /* the keeper may forget it */

/* mem_server.c: takes over what is in *a, and a with it. */
void mem_server_take(struct mem_asking *a, const struct mem_regions *r);

/* mem_stat.c */
json_t *mem_stat_make(const struct mem_server *s);
int mem_stat(const struct mem_opts *o, struct err *e); /* the verb */

#endif
