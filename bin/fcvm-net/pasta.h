/* SPDX-License-Identifier: MIT
 * The helper that runs pasta(1) and says so when it ends. */
#ifndef FCVM_NET_PASTA_H
#define FCVM_NET_PASTA_H

#include "err.h"

#include <stdbool.h>
#include <stddef.h>

struct pasta {
	const char *mtu;
	const char *link;    /* the name of the link it makes in the namespace */
	const char *host_if; /* the host's link outwards */
	const char *own4, *gateway4;
	const char *own6, *gateway6; /* own NULL: without that family */
	bool ambient; /* in a user namespace of our own, where execve(2) would drop capabilities */
};

/* Starts the helper in the present network namespace. *line: to it; the caller closes. */
int pasta_start(const struct pasta *p, char *title, size_t title_size, int *line, struct err *e);

/* Has pasta started and attached to the caller's present network namespace. It goes on by itself:
 * its link appears, or the line says why not. */
int pasta_attach(int line, struct err *e);

#endif
