/* SPDX-License-Identifier: MIT
 * A client of Firecracker's API: one connection, one request at a time, each with a deadline, and
 * the process watched meanwhile. */
#ifndef FCVM_FIRECRACKER_API_H
#define FCVM_FIRECRACKER_API_H

#include "err.h"
#include "proc.h"

#include <jansson.h>
#include <stdbool.h>

struct fc_version {
	unsigned major, minor, patch;
};

struct fc_api {
	int fd;                  /* the connection; -1: none */
	const struct proc *proc; /* borrowed */
	int timeout_ms;          /* for each request */
	struct fc_version version;
	char *buf;
	size_t n;
};

/* Connects to the socket `name` in the directory as soon as there is one. 0, or -1 with e filled.
 * Released with fc_api_close(), also after a failure. */
int fc_api_connect(struct fc_api *a, int dir, const char *name, const struct proc *p,
        int timeout_ms, struct err *e);
void fc_api_close(struct fc_api *a);

/* Sends body (NULL: none; takes the reference) and waits for the answer, which must be a success.
 * *answer, if not NULL, gets its JSON object. 0, or -1 with e filled: refused, and why; no answer
 * in time; the process has ended. */
int fc_api_call(struct fc_api *a, const char *method, const char *path, json_t *body,
        json_t **answer, struct err *e);

/* Asks for the version. */
int fc_api_version(struct fc_api *a, struct err *e);

/* "1.7.0", also with a leading "v" and with something after it: 0 or -1. */
int fc_version_parse(const char *text, struct fc_version *v);
bool fc_version_has(const struct fc_version *v, unsigned major, unsigned minor);

#endif
