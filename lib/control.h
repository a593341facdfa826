/* SPDX-License-Identifier: MIT
 * The control socket of a running VM, BASE/NAME/control.sock (0600), as a client sees it. The wire
 * is that of proto.h: JSON requests and answers on channel 0, and for requests that start or join a
 * process its streams on channel 1. fcvm-ctl(1) has the requests.
 *
 * Unless said otherwise functions return 0, or -1 with e filled. */
#ifndef FCVM_CONTROL_H
#define FCVM_CONTROL_H

#include "err.h"
#include "proto.h"

#include <jansson.h>

#define CONTROL_NAME    "control.sock"
#define CONTROL_CHANNEL 1     /* of the process whose streams a connection carries */
#define CONTROL_MS      10000 /* for the answer of a VM that is well */

struct control {
	int fd; /* blocking; -1: none */
	struct proto_in in;
	struct proto_text text;
};

/* Connects to the VM whose run directory is dir. Refused unless the other end is the same user, or
 * root. A VM that is still starting has no socket yet: status FCVM_EX_BUSY. Released with
 * control_close(), also after a failure. */
int control_connect(const char *dir, struct control *c, struct err *e);
void control_close(struct control *c);

/* Sends a request; takes the reference. */
int control_send(struct control *c, json_t *request, struct err *e);

/* The next control message, at most timeout_ms later (-1: no limit); a new reference. Frames of
 * other channels must not come meanwhile. NULL with e filled: time-out or a broken connection,
 * status FCVM_EX_FAIL; an ERROR message becomes its own text and status. *ended (if not NULL) tells
 * that the VM closed the connection in order. */
json_t *control_receive(struct control *c, int timeout_ms, bool *ended, struct err *e);

/* Send, then receive with CONTROL_MS. */
json_t *control_ask(struct control *c, json_t *request, struct err *e);

#endif
