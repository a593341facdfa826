/* SPDX-License-Identifier: MIT
 * A client of QEMU's monitor protocol, JSON objects one a line. The other end is trusted no further
 * than the guest that it runs: lines are bounded, and so is every wait. */
#ifndef FCVM_QMP_H
#define FCVM_QMP_H

#include "err.h"

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

#define QMP_LINE_MAX ((size_t)64 << 10)

struct qmp {
	int fd;    /* stream socket, borrowed */
	char *buf; /* QMP_LINE_MAX bytes */
	size_t start, end;
	int64_t until_ms; /* CLOCK_MONOTONIC: when patience ends */
};

void qmp_init(struct qmp *q, int fd, int timeout_ms);
void qmp_free(struct qmp *q);

/* Where the next bytes go (at least one byte of space after qmp_next() returned 0), and how many
 * came. */
char *qmp_space(struct qmp *q, size_t *n);
void qmp_filled(struct qmp *q, size_t n);
/* 1: *message (a new reference) is the next; 0: more bytes are needed; -1 with e filled: this is
 * not the protocol. */
int qmp_next(struct qmp *q, json_t **message, struct err *e);

/* Sends one command (takes the reference), with a descriptor unless that is -1, without waiting
 * for its reply. 0, or -1 with e filled. */
int qmp_send(struct qmp *q, json_t *command, int fd, struct err *e);

/* Waits for a reply, passing over events and the greeting: its "return" (a new reference), or NULL
 * with e filled where it is an error. */
json_t *qmp_reply(struct qmp *q, struct err *e);
/* Waits for the event of this name, passing over others and over replies that are no errors: a new
 * reference to its "data" (null where it has none), or NULL with e filled. */
json_t *qmp_event(struct qmp *q, const char *name, struct err *e);

/* A command without arguments and its reply. */
int qmp_simple(struct qmp *q, const char *name, struct err *e);

#endif
