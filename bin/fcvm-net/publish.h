/* SPDX-License-Identifier: MIT
 * Published ports: the sockets that listen in the host's namespace, and what the user is told. All
 * functions that make sockets run before the VM's namespace is entered. */
#ifndef FCVM_NET_PUBLISH_H
#define FCVM_NET_PUBLISH_H

#include "err.h"
#include "patience.h"
#include "ports.h"

#include <jansson.h>

struct listener {
	int fd; /* non-blocking, close-on-exec */
	int family;
	uint16_t guest; /* the guest's port */
	bool udp;
};

struct publish {
	struct listener *v;
	size_t n;
	struct patience patience;
};

/* Listens on the VM's own address for every port without HOSTIP, and chooses those the user left
 * open. 0; -EADDRINUSE: at least one is not to be had there, and nothing was opened, so that
 * another address can be tried; else -1 with e filled. */
int publish_own(struct publish *p, struct ports *ports, const char *address, struct err *e);

/* Says that ports without HOSTIP answer on the VM's own address without a socket of ours; chooses
 * those the user left open. */
int publish_native(struct ports *ports, struct err *e);

/* Listens on the host's loopback addresses where they are free (must: an error where 127.0.0.1 is
 * not) and where a HOSTIP says. */
int publish_rest(struct publish *p, struct ports *ports, bool must, struct err *e);

/* Tells the user on stderr where ports without HOSTIP answer. */
void publish_notes(const struct ports *ports, const char *address);

/* A new list of texts such as "127.0.0.1:8080->80/tcp". */
json_t *publish_list(const struct ports *ports, const char *address);

void publish_free(struct publish *p);

#endif
