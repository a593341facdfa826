/* SPDX-License-Identifier: MIT
 * One running machine, from the VMM's start to the exit status: the conversation with the agent,
 * the clients on the control socket, and the verdict on how it ended. One process, one loop, no
 * threads: nothing here waits for anybody but the kernel. */
#ifndef FCVM_SUPERVISE_H
#define FCVM_SUPERVISE_H

#include "clog.h"
#include "console.h"
#include "loop.h"
#include "proto.h"
#include "sink.h"
#include "vmm.h"

#include <jansson.h>
#include <stdbool.h>
#include <sys/types.h>

/* What a snapshot of the running machine needs to know. All borrowed. */
struct saving {
	const char *data;                /* the data directory */
	const json_t *plan;              /* as the run directory has it */
	const struct vmm_config *config; /* of the machine */
	int root, scratch;               /* its disks */
	const struct warm *warm;         /* once it is well it is saved as this; or NULL */
};

struct supervise_opts {
	const json_t *plan;   /* NULL: only see the agent come up, then end the machine */
	const json_t *mounts; /* the volumes of volumes.json; NULL: none */
	const json_t *net;    /* net.json of the run directory; NULL: no network */
	int volumes;          /* boot_vol.h's keeper; -1: no volumes */
	int dir;   /* the run directory; -1: none, so no console file, log or control socket */
	int front; /* connection of the process in the foreground; -1: none */
	pid_t front_pid; /* its pid, for people; 0: none */
	int lock;        /* of the run directory, with a pid for people in it; -1: none */
	const char *accel;
	json_t *kernel;  /* what state.json says of the kernel, or NULL */
	uint64_t memory; /* bytes: for the message of an out-of-memory kill, and the state */
	unsigned cpus;
	bool restored; /* the machine goes on from a state in which its agent waits for a plan */
	bool clone; /* and the one it goes on from was running: it needs no plan, but to be told so
	             */
	bool healthy;     /* and was well */
	const char *exec; /* of what a snapshot gave: a shell command, which stands for the
	                   * container in front and whose end is the machine's; NULL: none */
	const struct saving *saving; /* NULL: it cannot be saved */
	bool *resumed;               /* set once that agent has answered; may be NULL */
	/* Without a plan: called once the guest has prepared itself for plans like ready_plan and
	 * can be saved, after which the machine is ended. */
	const json_t *ready_plan;
	int (*ready)(struct vmm *v, void *ctx, struct err *e);
	void *ready_ctx;
	char *tail;       /* where the console's last lines go if they may tell why the */
	size_t tail_size; /* machine failed; left empty otherwise */
};

/* Runs until the machine has ended and all output is handed over. Returns the exit status; problems
 * of the machine itself (not of the container) are FCVM_EX_FAIL with e filled, a container that
 * could not run has its status and e filled, and e->text is empty otherwise. */
int supervise(struct vmm *v, const struct supervise_opts *o, struct err *e);

/* --- shared by the files of supervise.c --- */

#define CONTAINER_CHANNEL 1
#define WINDOW            ((size_t)256 << 10) /* bytes that may wait, of a stream that nobody limits */
#define CREDIT_MAX        ((size_t)1 << 20) /* what a client may take at once of a stream */
#define WIRE_HOLD         ((size_t)1 << 20) /* unsent bytes to the agent above which no client is read */

enum phase {
	PHASE_BOOT, /* no word from the agent yet */
	PHASE_RUN,  /* the plan (if any) was sent */
	PHASE_END   /* the container is over for good, or the machine is being ended */
};

enum role {
	ROLE_NEW,    /* connected, has asked nothing */
	ROLE_STREAM, /* joined to the container's streams */
	ROLE_EXEC,   /* joined to a call's */
	ROLE_WAIT,   /* told when the container is over */
	ROLE_ASK,    /* waits for the agent's answer */
	ROLE_JOB,    /* told when that is done (job.h) */
	ROLE_RESTART /* told when the container runs again */
};

/* A client on the control socket, or the process in the foreground. */
struct conn {
	struct machine *m;
	struct watch watch;
	struct proto_in in;
	struct proto_out out;
	struct proto_text text;
	enum role role;
	bool front;          /* its end is the machine's */
	bool hold;           /* ROLE_WAIT: keep the run directory until it is gone */
	bool closing;        /* to be closed once what is queued was sent */
	bool dead;           /* to be freed */
	struct call *call;   /* ROLE_EXEC */
	int64_t credit[2];   /* ROLE_STREAM: what it takes; below 0 by what was under way as it came
	                      */
	bool reset[2];       /* it does not want that output */
	bool wants_stdin;    /* and may write to the container */
	uint64_t in_granted; /* so many bytes */
	json_int_t ask;      /* ROLE_ASK: number of the question */
	struct conn *next;
};

/* A process beside the container's own: fcvm exec's, or a health probe. */
struct call {
	uint16_t channel;
	struct conn *owner; /* NULL: nobody is there any more, or it is ours */
	/* Ours: called at its end; error: why it never ran, or NULL. */
	void (*over)(struct machine *m, int status, const char *error);
	bool detach; /* leave it alone as soon as it runs */
	bool tty, interactive;
	struct proto_text exit_text;
	uint64_t granted[2]; /* what the guest may still send */
	uint64_t in_granted; /* what the client may still send */
	bool in_eof;
	struct call *next;
};

struct machine {
	struct vmm *vmm;
	const struct supervise_opts *o;
	struct loop loop;
	struct watch agent_watch, console_watch, vmm_watch, signal_watch, listen_watch,
	        monitor_watch;
	struct console console;
	struct sink *trace; /* --strace-agent: the console on stderr, as far as it is read */
	int wake;           /* its eventfd */
	struct watch wake_watch;
	struct watch volume_watch;
	struct clog *log; /* NULL: none is kept */
	enum phase phase;

	struct proto_in in;
	struct proto_out out;
	struct proto_out first; /* what goes to the agent before all of out */
	bool held;              /* and out has to wait: the guest is frozen, or wakes up */
	struct job *job;        /* NULL: none */
	bool warmed;            /* what saving.warm asks for was tried */
	struct proto_text control, exit_text;
	bool agent_closed; /* nothing more to read */
	bool agent_mute;   /* it takes nothing more */

	struct conn *conns;
	struct call *calls;
	uint16_t last_channel;
	json_int_t last_ask;

	bool interactive, terminal;
	uint8_t winsize[4]; /* as it was told last */
	bool has_winsize;
	bool running, paused; /* the container */
	bool front_gone;      /* the process in the foreground has detached */
	size_t granted[2];    /* what the guest may still send of the container's output */
	bool out_reset[2];    /* the container was told that nobody reads it */
	uint64_t in_pool;     /* stdin that the guest takes and no client was granted */
	struct conn *in_owner;
	bool in_eof;
	bool in_over;     /* and no client is left that could feed another run of it */
	uint64_t in_debt; /* what clients may still send of the last run's credit */

	int64_t deadline_ms; /* CLOCK_MONOTONIC; -1: none */
	int64_t relink_ms;   /* until when the agent must be connected again; -1: it need not */
	int stopping;        /* 0; 1: signalled; 2: killed in the guest; 3: machine killed */
	int stop_timeout_ms;
	int caught; /* the signal that ended the machine before the container ran */

	char name[64];
	int64_t created_ns, started_ns, ended_ns; /* CLOCK_REALTIME */
	int end_status;                           /* once the container is over for good */
	struct restart {
		const char *policy; /* "no", "on-failure", "always" */
		int max, tries;     /* on-failure: at most so many; 0: no limit */
		int count;          /* of all */
		bool asked;         /* fcvm restart: once more, whatever the policy */
		int64_t at_ms, delay_ms;
	} restart;
	struct health *health; /* NULL: no probe */

	bool vmm_ended;
	int vmm_status;        /* wait status */
	bool reported;         /* EXIT came: */
	int status;            /* the container's status */
	bool oom, failed;      /* killed for memory; never ran (error says why) */
	char error[768];       /* from EXIT, FATAL or the monitor */
	bool fatal;            /* FATAL came, */
	bool vmm_fatal;        /* or the monitor did not do as it was told */
	bool timed_out;        /* the agent did not answer in time */
	bool lost_link;        /* nor connect again */
	char lost[300];        /* a volume's server has ended: what is said of it */
	bool resumed;          /* a restored machine's agent has answered */
	bool saved;            /* o->ready was called, and succeeded */
	const char *violation; /* how the guest broke the protocol */
};

/* supervise.c */
void machine_end(struct machine *m); /* at once, without the guest's help */
void machine_stop(struct machine *m, int sig, int timeout_ms); /* the container first */
int machine_stop_signal(const struct machine *m);              /* the container's own */

/* watches.c: of the monitor and its guest, as long as it runs */
int watches_begin(struct machine *m, struct err *e);
void watches_end(struct machine *m);
int watches_add(struct machine *m, struct watch *w, int fd, void (*fn)(void *ctx, uint32_t events),
        struct err *e);
/* link.c: the stream to the agent */
int link_open(struct machine *m, struct err *e);
void link_renew(struct machine *m); /* after a save, which may have ended it */
void link_due(struct machine *m, int64_t now);

/* dialogue.c: the agent's side */
void dialogue_receive(struct machine *m);
void dialogue_handle(struct machine *m);                /* what was received already */
void dialogue_send(struct machine *m, json_t *message); /* takes the reference */
void dialogue_put(struct machine *m, uint16_t channel, enum proto_type type, uint8_t flags,
        const void *data, size_t n);
void dialogue_signal(struct machine *m, int sig); /* to the container */
void dialogue_plan(struct machine *m);
/* The guest, or only its disk, comes to rest: nothing but THAW is sent after FREEZE. False: try
 * again later. */
bool dialogue_freeze(struct machine *m, bool disk);
void dialogue_thaw(struct machine *m); /* if it is, or was told to be, frozen */
bool dialogue_pending(const struct machine *m);
int dialogue_flush(struct machine *m);   /* 0 or -errno */
void dialogue_resume(struct machine *m); /* the first words to a machine that was restored */
/* Those to a clone; exec: a session will follow at once. NULL: no entropy. */
json_t *dialogue_clone_message(const json_t *plan, bool exec);
json_t *dialogue_time(void); /* the answer to a clone that asks for it */
/* Another run of the container's streams begins, with the clients that there are. */
void dialogue_begin_streams(struct machine *m);
/* One frame of an exit report. The whole of it (a new reference) with *status, or NULL: there is
 * more to come, or it is none, which is a violation. */
json_t *dialogue_exit(
        struct machine *m, struct proto_text *text, const struct frame *f, int *status);

/* container.c: the container's own streams, shared by its clients and the log; its ends */
void container_frame(struct machine *m, const struct frame *f);
void container_started(struct machine *m);
void container_credit(struct machine *m); /* grants the guest what all clients take */
int container_client_frame(struct conn *c, const struct frame *f);
void container_join(struct conn *c, bool wants_stdin);
void container_leave(struct conn *c);
void container_over(
        struct machine *m, int status, const char *error); /* for good: tells all clients */
void container_due(struct machine *m, int64_t now);        /* a restart, when its time has come */

/* call.c */
struct call *call_new(struct machine *m, const json_t *request, struct conn *owner, struct err *e);
bool call_frame(struct machine *m, const struct frame *f); /* false: no such channel */
void call_started(struct machine *m, uint16_t channel);
int call_client_frame(struct conn *c, const struct frame *f);
void call_leave(struct conn *c); /* its client has gone: its processes go, too */
void call_kill(struct machine *m, uint16_t channel);
void call_abandon(struct machine *m, uint16_t channel); /* and nobody wants to hear of its end */
void calls_end(struct machine *m, int status, const char *error);

/* hub.c: connections */
int hub_listen(struct machine *m, struct err *e);
struct conn *hub_add(struct machine *m, int fd);
void hub_tell(struct conn *c, json_t *message); /* takes the reference */
void hub_refuse(struct conn *c, int status, const char *fmt, ...)
        __attribute__((format(printf, 3, 4)));
void hub_turn(struct machine *m); /* sends what is queued, closes what is over */
void hub_close_all(struct machine *m);
bool hub_is_held(const struct machine *m);

/* request.c */
void request_exec_in_front(struct machine *m, const char *command);
void request_handle(struct conn *c, const json_t *request);
void request_answered(struct machine *m, const json_t *answer);
void request_detach(struct conn *c);

/* state.c */
void state_write(struct machine *m);
void state_forget(const struct machine *m); /* the record of the last VM of this name */
void state_keep(struct machine *m, int status, const char *why); /* the record, at the very end */

/* verdict.c */
int verdict(const struct machine *m, struct err *e);

#endif
