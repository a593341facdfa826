/* SPDX-License-Identifier: MIT
 * One client, which is a VMM: its memory is filled by a thread of its own, so that it can hold up
 * nobody else. */
#ifndef FCVM_MEM_CLIENT_H
#define FCVM_MEM_CLIENT_H

#include "mem_order.h"
#include "mem_regions.h"

#include <pthread.h>
#include <stdatomic.h>
#include <sys/types.h>

/* What all clients share, and nobody changes. */
struct mem_source {
	const char *path; /* for messages */
	int fd;
	uint64_t size;
	uint64_t device, inode; /* for who wants to know which file it is */
	const char *map;        /* the file, read by nobody but the kernel: see mem_client.c */
	const char *zeros;      /* MEM_PAGE_HUGE of them */
	struct mem_order replay;
};

struct mem_counts {
	_Atomic uint64_t faults;     /* that were answered */
	_Atomic uint64_t prefetched; /* bytes put in place ahead of a fault */
	_Atomic uint64_t removed;    /* bytes given back, each once */
	_Atomic uint64_t zeroed;     /* faults that were answered with zeros */
	_Atomic uint64_t retries;    /* that a removal under way made necessary */
};

enum mem_end {
	MEM_RUNS,
	MEM_GONE,  /* the client has ended */
	MEM_FAILED /* it cannot be served, was ended, and `why` says why */
};

struct mem_client {
	const struct mem_source *source;
	uint64_t id;
	pid_t pid;
	int conn, pidfd, uffd; /* its own */
	int over;              /* eventfd to count up at the end; borrowed */
	struct mem_regions regions;
	struct mem_counts counts;
	pthread_t thread;
	_Atomic enum mem_end end;
	char why[200];

	pthread_mutex_t order_lock;
	bool recorded; /* into: */
	struct mem_order order;

	uint64_t *pending; /* faults, not answered yet */
	size_t n_pending, pending_room;
	size_t replay_at;     /* part, */
	uint64_t replay_done; /* and bytes of it */
	bool again;           /* the last prefetch came in the way of a removal */
};

/* Checks that the descriptor is one, and starts the thread: 0, or -1 with e filled. */
int mem_client_start(struct mem_client *c, struct err *e);

/* After the end: waits for the thread and gives back all that the client had. */
void mem_client_finish(struct mem_client *c);

/* SIGKILL, for want of a way to make a machine without memory go on. */
void mem_kill(int pidfd);

#endif
