/* SPDX-License-Identifier: MIT
 * One running machine, from the VMM's start to the exit status: the conversation with the agent,
 * the caller's standard streams and signals, and the verdict on how it ended. */
#ifndef FCVM_SUPERVISE_H
#define FCVM_SUPERVISE_H

#include "console.h"
#include "proto.h"
#include "sink.h"
#include "tty.h"
#include "vmm.h"

#include <jansson.h>
#include <stdbool.h>

struct supervise_opts {
	const json_t *plan;       /* NULL: only see the agent come up, then end the machine */
	const char *console_path; /* NULL: keep the console in memory */
	uint64_t memory;          /* for the message of an out-of-memory kill */
	char *tail;               /* where the console's last lines go if they may tell why the */
	size_t tail_size;         /* machine failed; left empty otherwise */
};

/* Runs until the machine has ended and all output is written. Returns the exit status; problems of
 * the machine itself (not of the container) are FCVM_EX_FAIL with e filled, a container that could
 * not run has its status and e filled, and e->text is empty otherwise. */
int supervise(struct vmm *v, const struct supervise_opts *o, struct err *e);

/* --- shared by supervise.c, dialogue.c and verdict.c --- */

#define MAIN_CHANNEL 1
#define END_MS       30000 /* for a machine that was told to end */

int64_t supervise_now(void); /* CLOCK_MONOTONIC, milliseconds */

enum phase {
	PHASE_BOOT, /* no word from the agent yet */
	PHASE_RUN,  /* the plan (if any) was sent */
	PHASE_END   /* the container's end was reported, or the machine is being ended */
};

struct machine {
	struct vmm *vmm;
	const struct supervise_opts *o;
	struct console console;
	enum phase phase;
	struct proto_in in;
	struct proto_out out;
	struct proto_text control, exit_text;
	bool agent_closed; /* nothing more to read */
	bool agent_mute;   /* it takes nothing more */

	struct sink *sink[2]; /* stdout, stderr; NULL: not used */
	bool reset_sent[2];
	size_t granted[2];  /* what the guest may still send */
	struct sink *trace; /* --strace-agent: the console on stderr, as far as it is read */
	int wake;           /* eventfd of the sinks */
	bool interactive, terminal, want_raw;
	bool stdin_open;
	uint64_t stdin_credit;
	struct tty tty;

	int signals;         /* signalfd */
	int64_t deadline_ms; /* CLOCK_MONOTONIC; -1: none */
	int stopping;        /* 0; 1: signalled; 2: killed in the guest; 3: machine killed */
	int stop_sig;        /* that began it */
	int stop_timeout_ms;
	int caught; /* the signal that ended the wait, before the container ran or after it ended */
	bool cut_short; /* output was still waiting then */

	bool vmm_ended;
	int vmm_status;        /* wait status */
	bool reported;         /* EXIT came: */
	int status;            /* the container's status */
	bool oom, failed;      /* killed for memory; never ran (error says why) */
	char error[512];       /* from EXIT or FATAL */
	bool fatal;            /* FATAL came */
	bool timed_out;        /* the agent did not answer in time */
	const char *violation; /* how the guest broke the protocol */
};

/* dialogue.c */
void dialogue_receive(struct machine *m); /* reads the agent's socket, handles the frames */
void dialogue_stdin(struct machine *m);   /* reads our stdin, as far as there is credit */
void dialogue_outputs(struct machine *m); /* grants what the sinks have written */
void dialogue_signal(struct machine *m, int sig);
void dialogue_resize(struct machine *m);

/* verdict.c */
int verdict(const struct machine *m, struct err *e);

#endif
