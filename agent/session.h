/* SPDX-License-Identifier: MIT
 * A session: one process in the guest and its standard streams, carried over one channel. Streams
 * flow under credit: what the host has not granted is not read from the process, and what the
 * process does not read is bounded by what was granted to the host. */
#ifndef FCVM_SESSION_H
#define FCVM_SESSION_H

#include "err.h"
#include "loop.h"
#include "proto.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define SESSION_WINDOW ((uint32_t)256 << 10) /* bytes of stdin that may wait in the guest */

/* From the host to the process. */
struct inflow {
	int fd; /* write end, non-blocking; -1: closed */
	struct watch watch;
	uint8_t *buf; /* SESSION_WINDOW bytes */
	uint32_t len;
	uint32_t granted; /* how much more the host may send */
	bool eof;         /* the host has ended it: close once buf is written */
	bool ended;       /* and that was done; a terminal stays open */
	uint8_t last;     /* the last byte that was written */
};

/* From the process to the host. */
struct outflow {
	int fd; /* read end, non-blocking; -1: at its end */
	struct watch watch;
	uint64_t credit;
	uint64_t left; /* once the process has ended, of a brief session: bytes still to be sent */
	enum proto_stream stream;
	struct session *session;
};

struct session {
	uint16_t channel;
	bool tty;
	bool brief; /* ends with its process, though others may hold its pipes */
	int peer; /* a terminal's other side, held until the process ends: programs may close all of
	           * theirs and open it again; -1: none */
	pid_t pid; /* 0: not started or reaped */
	bool exited;
	int wstatus;
	struct inflow in;
	struct outflow out[2]; /* stdout (or the terminal), stderr */
	struct loop *loop;
	struct proto_out *wire;
};

void session_init(struct session *s, uint16_t channel, struct loop *l, struct proto_out *wire);
/* Takes the descriptors: in (-1: none), out, err (-1: none). A terminal's master is in and out
 * (two descriptors). Grants the host its first credit. */
int session_streams(struct session *s, int in, int out, int err, bool tty);
/* The same with a terminal's master, which is taken: not to be written to unless interactive, and
 * of this size unless that is 0x0. */
int session_terminal(
        struct session *s, int master, bool interactive, unsigned short rows, unsigned short cols);
/* The process has ended. Its terminal goes with it, so that the output comes to an end; of a brief
 * session's pipes only what is in them by now is still sent. */
void session_exited(struct session *s, int wstatus);
/* A frame of this channel: 0, or -EPROTO if the host broke the rules. */
int session_frame(struct session *s, const struct frame *f);
/* Reading from the process pauses while the wire is full; call when it has drained. */
void session_resume(struct session *s);
/* Another host is at the other end, which has granted nothing: it is told what it may send. */
void session_rejoin(struct session *s);
/* All output was read and sent. */
bool session_drained(const struct session *s);
/* Gives up the streams: the process sees EPIPE and EOF. */
void session_close(struct session *s);

/* Sends the EXIT of a process that has ended, or why it never ran (failure, else NULL). */
void session_report(struct session *s, const struct err *failure, bool oom);

#endif
