/* SPDX-License-Identifier: MIT
 * The container's first process, made before it is known what it will run: it sits in its own
 * namespaces with its root file system mounted and waits for the plan on a socket. What is left to
 * do when the plan comes is small, so a clone of a prepared machine starts quickly. */
#ifndef FCVM_STAGE_H
#define FCVM_STAGE_H

#include "err.h"

#include <stddef.h>
#include <sys/types.h>

struct stage {
	pid_t pid;
	int sock; /* SOCK_SEQPACKET, non-blocking; -1 once the process runs */
};

/* Forks the process. The root file system must be mounted at STAGE_ROOTFS. */
int stage_prepare(struct stage *st, struct err *e);

/* Hands over the plan (JSON text) and the standard descriptors (ignored with a terminal). */
int stage_start(struct stage *st, const char *plan, size_t n, const int stdio[3], struct err *e);

enum stage_news {
	STAGE_NONE,     /* nothing yet */
	STAGE_TERMINAL, /* *master is the terminal's master side, owned by the caller */
	STAGE_RUNNING,  /* the command was executed; st->sock is closed */
	STAGE_FAILED    /* e has the exit status and the reason */
};
enum stage_news stage_news(struct stage *st, int *master, struct err *e);

#define STAGE_ROOTFS "/rootfs"
#define STAGE_CGROUP "/sys/fs/cgroup/container"

/* Inside the process (mounts.c, identity.c, run.c). */
int stage_mount_generic(struct err *e);
int stage_mount_plan(const void *plan_json, struct err *e);
int stage_terminal(int sock, struct err *e);

struct identity {
	unsigned uid, gid;
	unsigned groups[256];
	size_t n_groups;
	char home[256];
};
int identity_resolve(const char *spec, struct identity *id, struct err *e);
int identity_assume(const struct identity *id, const void *process_json, struct err *e);

/* Executes the plan's command; returns only with an error. */
int stage_exec(const void *plan_json, int sock, struct err *e);

#endif
