/* SPDX-License-Identifier: MIT
 * The container's first process, made before it is known what it will run: it sits in its own
 * namespaces with its root file system mounted and waits for the plan on a socket. What is left to
 * do when the plan comes is small, so a clone of a prepared machine starts quickly. */
#ifndef FCVM_STAGE_H
#define FCVM_STAGE_H

#include "err.h"
#include "strv.h"
#include "volume.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/capability.h>
#include <sys/types.h>

struct stage {
	pid_t pid;
	int sock;    /* SOCK_SEQPACKET, non-blocking; -1 once the process runs */
	int held[2]; /* its namespaces; 0 or -1: none */
};

/* Forks the process. The root file system must be mounted at STAGE_ROOTFS. */
int stage_prepare(struct stage *st, struct err *e);

/* Asks the waiting process to do ahead what a plan like this one (JSON text) will need: STAGE_READY
 * tells when it is done. Every plan that comes then has the same maskedPaths and readonlyPaths. */
int stage_ready(struct stage *st, const char *plan, size_t n, struct err *e);

/* Hands over the plan (JSON text) and the standard descriptors (NULL with a terminal). sock: of any
 * process that waits in stage_receive(). */
int stage_start(int sock, const char *plan, size_t n, const int stdio[3], struct err *e);

/* What the agent sent, in the process. */
struct stage_order {
	char kind; /* 'P' to run it, 'T' to get ready for it */
	json_t *plan;
	int stdio[3];
	bool has_stdio;
};
/* Waits for it; the plan is a new reference. */
int stage_receive(int sock, struct stage_order *o, struct err *e);

enum stage_news {
	STAGE_NONE,     /* nothing yet */
	STAGE_READY,    /* it is as stage_ready() wanted it */
	STAGE_TERMINAL, /* *master is the terminal's master side, owned by the caller */
	STAGE_RUNNING,  /* the command was executed */
	STAGE_FAILED    /* e has the exit status and the reason */
};
/* What came on the socket of a process that is on its way to a command. Nothing more comes after
 * RUNNING and FAILED. */
enum stage_news stage_news(int sock, int *master, struct err *e);

#define STAGE_ROOTFS "/rootfs"
#define STAGE_CGROUP "/sys/fs/cgroup/container"

/* Inside the process (mounts.c, identity.c, run.c). */
int stage_mount_generic(struct err *e);
/* What is prepared already: hidden: stage_hide() was called for a plan of the same paths; volumes:
 * the plan's mounts, in its order. */
struct stage_done {
	bool hidden;
	int volumes[VOLUMES_MAX];
	size_t n_volumes;
};
int stage_mount_plan(const void *plan_json, const struct stage_done *done, struct err *e);
int stage_hide(const void *plan_json, struct err *e);
/* Reads what a command of this plan will read at its start, so that it is in memory. */
void stage_warm(const void *plan_json);
/* The same for one command, in the environment of that process. */
void stage_warm_command(const char *file, const void *process_json);
/* Makes a terminal of the mounted /dev/pts the process's own and its standard streams, and sends
 * the master to the agent. console: bind it to /dev/console, too. */
int stage_terminal(int sock, bool console, struct err *e);

struct identity {
	unsigned uid, gid;
	unsigned groups[256];
	size_t n_groups;
	char home[256];
	cap_t caps; /* identity_limit()'s, for identity_assume() */
	uint64_t ambient;
};
int identity_resolve(const char *spec, struct identity *id, struct err *e);
/* The main group among the supplementary ones, as podman has it for a container's own
 * process whose user was named. */
void identity_add_group(struct identity *id);
/* In this order, and nothing gives back what either takes. */
int identity_limit(struct identity *id, const void *process_json, struct err *e);
int identity_assume(const struct identity *id, const void *process_json, struct err *e);

struct stage_how {
	bool create_cwd; /* make a missing working directory */
	bool main;       /* the container's own process, not one beside it */
	bool init;       /* leave a small init in front of the command */
	int sock;        /* closed by that init */
	int own; /* descriptor of the agent's own tools (busybox), or -1: run when PATH has no */
	bool own_only;                   /* such command; own_only: at once */
	const struct stage_ahead *ahead; /* NULL: nothing */
};

/* What was done of stage_exec() before it was known what will be run: by this function, for the
 * same process but for its arguments. */
struct stage_ahead {
	struct identity id;
	struct strv env;
};
int stage_exec_ahead(const void *process_json, struct stage_ahead *a, struct err *e);

/* Executes process.args as the OCI runtime specification's `process` says; returns only with an
 * error. */
int stage_exec(const void *process_json, const struct stage_how *how, struct err *e);

/* A descriptor of the agent's, above all one of a directory, would lead out of the container:
 * through /proc/self/fd in a working directory or a mount point that the image names. */
void stage_close_others(int sock);

/* The agent is safe from the out-of-memory killer; what it starts must not be. */
int stage_mortal(struct err *e);

/* Reports the error to the agent and ends the process. */
void stage_fail(int sock, struct err *e) __attribute__((noreturn));

#endif
