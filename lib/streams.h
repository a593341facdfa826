/* SPDX-License-Identifier: MIT
 * The caller's side of a process in a VM: standard streams, signals and terminal carried over a
 * control connection. Bytes flow under credit both ways, so a reader or a process that stops holds
 * back its own stream and no more than SINK_WINDOW bytes wait. */
#ifndef FCVM_STREAMS_H
#define FCVM_STREAMS_H

#include "control.h"
#include "err.h"

#include <stdbool.h>
#include <sys/types.h>

enum streams_detach {
	DETACH_NEVER, /* only by keys */
	DETACH_STARTED,
	DETACH_HEALTHY
};

struct streams_opts {
	pid_t child; /* a child of ours whose end is the end, and which gets our signals; 0: none,
	              * they go to the process in the VM */
	const char *detach_keys;   /* bytes, typed on the terminal; NULL or "": none */
	enum streams_detach leave; /* detach as soon as the container is so far */
	bool keep_stdin;           /* do not read ours */
	int64_t timeout_ms;        /* give up after that time, with status 124; -1: never */
};

struct streams_end {
	bool detached;
	int status;      /* of the process, or 128 + the signal that ended the wait for a reader */
	char error[512]; /* why it could not run; "" if it did */
};

/* Until the process has ended and all its output is written, or until detached. 0 with *end filled,
 * or -1 with e filled: the VM went away, the connection broke, or output could not be written. The
 * signals of the calling process stay blocked afterwards. Uses control_close(c) itself. */
int streams_run(
        struct control *c, const struct streams_opts *o, struct streams_end *end, struct err *e);

#endif
