/* SPDX-License-Identifier: MIT
 * The guest agent: PID 1 of the microVM. It prepares the container's file system and namespaces,
 * says HELLO to the host, takes the plan, starts the container, carries its streams and reports
 * its end. See fcvm-agent(8) and fcvm-proto(7). */
#ifndef FCVM_AGENT_H
#define FCVM_AGENT_H

#include "err.h"
#include "kworkers.h"
#include "loop.h"
#include "proto.h"
#include "session.h"
#include "stage.h"
#include "volume.h"

#include <jansson.h>
#include <sched.h>
#include <stdbool.h>

#define CONTAINER_CHANNEL 1
#define CLONE_WORDS       2
#define CLONE_COVERS      3

struct agent {
	struct loop loop;
	int port;   /* /dev/vportNpM of the port named fcvm.agent, non-blocking */
	int random; /* /dev/urandom: a machine that is resumed opens nothing for it */
	struct watch port_watch;
	struct watch signal_watch;
	struct watch stage_watch;
	struct proto_in in;
	struct proto_out out;
	struct proto_text control; /* pieces of a control message */
	struct stage stage;        /* the container's prepared first process */
	struct session container;  /* channel 1 */
	json_t *plan;              /* as it came last */
	struct volumes volumes;
	struct exec *execs; /* the other sessions, exec.c's */
	int tools;          /* busybox for sessions, sealed; -1: not needed yet */
	bool paused;        /* the container's cgroup is frozen */
	struct pausing {
		int events; /* cgroup.events, while it is on its way there; else -1 */
		struct watch watch;
		json_int_t id; /* of the question */
		int64_t until_ms;
	} pausing;
	struct freeze {
		bool held;         /* everything but the agent */
		struct hold *hold; /* NULL: nothing was so far */
		cpu_set_t cpus;    /* the agent's when nothing is */
		char *rt_runtime;  /* the setting then; NULL: there is none */
		struct kworkers workers;
		bool can_end_tcp;
		/* Waits in the container (standby.h) to be told what a clone is called, and what it
		 * will put there. pid 0: there is none. */
		struct standby {
			pid_t pid;
			int sock;
			char *words[CLONE_WORDS];
			int mounts[CLONE_COVERS];
			int ours[3];    /* the agent's ends of its streams; -1 for its input */
			bool in_cgroup; /* the container's: it can be one of its processes */
			bool stays;     /* to become a command */
		} standby;
		bool disk;         /* only the scratch disk is */
		int64_t settle_ms; /* clock_ms(): see agent_settle_due(); 0: nothing is left */
	} freeze;
	struct waking {
		json_t *message; /* RESUME, while the host is asked for its time; else NULL */
		int tries;
		int64_t asked_ns;          /* CLOCK_REALTIME */
		int64_t least_ns, most_ns; /* that the host's clock is ahead of that */
	} waking;
	bool have_image;
	bool staged;             /* the container's first process has nothing left to do but wait */
	bool asked_ready, ready; /* to be saved: READY is wanted, was sent */
	bool resumed;            /* just now: clock and counters are right for the first plan */
	unsigned mtu;
	bool failed, reported; /* the container never ran; EXIT was queued */
	bool killed;           /* SIGKILL came from the host */
	struct err failure;
	bool interactive; /* of a container with a terminal, until the terminal comes */
	unsigned short rows, cols;
	uint64_t oom_before; /* kills in the container's cgroup before this run of it */
	bool done;           /* the host said BYE, or there is nothing more to do */
};

/* channel.c: the connection to the host. All queue; loop_run() sends. */
void agent_send(struct agent *a, json_t *message); /* takes the reference */
void agent_fatal(struct agent *a, const struct err *e);
int agent_connect(struct agent *a, struct err *e);
void agent_receive(struct agent *a); /* what has come; does not wait, but to connect again */
bool agent_port_is_dialled(const struct agent *a); /* by vsock */

/* container.c: the first process waits, the plan arrives, the container ends; a plan that comes
 * after that begins it anew, over the same files. */
int agent_stage(struct agent *a, struct err *e);
int agent_plan(struct agent *a, const json_t *message, struct err *e);
void agent_signal_container(struct agent *a, int sig);
void agent_reap(struct agent *a);
void agent_stage_event(void *ctx, uint32_t events);
void agent_check_end(struct agent *a);
void agent_limit_memory(void);
uint64_t agent_oom_kills(void);

/* resume.c */
void agent_set_clock(const json_t *message);
int agent_reseed(const struct agent *a, const json_t *message, struct err *e);
int agent_resume(struct agent *a, const json_t *message, struct err *e);
/* Says READY as soon as the machine can be saved. */
int agent_template(struct agent *a, const json_t *message, struct err *e);
void agent_check_ready(struct agent *a);

/* ask.c: answers to the host's questions about the container. A new reference: the answer's
 * members, or "error". NULL: it comes later. */
json_t *agent_answer(struct agent *a, const json_t *question);
void agent_send_answer(struct agent *a, json_int_t id, json_t *answer); /* takes the reference */

/* pause.c */
json_t *agent_pause(struct agent *a, json_int_t id);
json_t *agent_unpause(struct agent *a);
void agent_thaw(struct agent *a); /* also what is only on its way to be frozen */
void agent_pause_due(struct agent *a);
int agent_pause_left(const struct agent *a); /* milliseconds; -1: nothing is due */

#endif
