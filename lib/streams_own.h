/* SPDX-License-Identifier: MIT
 * Between the files of streams only. */
#ifndef FCVM_STREAMS_OWN_H
#define FCVM_STREAMS_OWN_H

#include "sink.h"
#include "streams.h"
#include "tty.h"

#define TYPED_AHEAD 4096 /* bytes: a terminal's own buffer is as long, tty_ioctl(4) */

struct carrier {
	struct control *c;
	const struct streams_opts *o;
	struct streams_end *end;
	struct proto_out out;
	struct sink *sink[2];
	bool reset_sent[2];
	size_t granted[2]; /* what the VM may still send */
	struct proto_text exit_text;
	bool running; /* RUN came: */
	bool tty, interactive;
	bool want_raw, stdin_open;
	uint64_t stdin_credit;
	size_t n_ahead; /* typed before it may be sent */
	char ahead[TYPED_AHEAD];
	size_t keys_seen; /* how much of the detach keys was typed */
	struct tty terminal;
	int wake, signals, pidfd;
	bool closed;      /* nothing more comes from the VM */
	bool mute;        /* it takes nothing more */
	bool reported;    /* EXIT came */
	bool child_over;  /* with child_status */
	int child_ws;     /* wait status */
	bool left;        /* it was so far that we asked to leave */
	int caught;       /* a signal that ended the wait */
	int asked_to_end; /* such a signal that was passed on */
	int64_t limit_ms; /* CLOCK_MONOTONIC; -1: none */
	bool timed_out;
	struct err trouble;
};

/* streams_wire.c: the conversation. */
void streams_receive(struct carrier *s);
void streams_stdin(struct carrier *s);
void streams_outputs(struct carrier *s);
void streams_signal(struct carrier *s, int sig);
void streams_resize(struct carrier *s);
void streams_detach(struct carrier *s);

#endif
