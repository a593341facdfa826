/* SPDX-License-Identifier: MIT
 * What --publish says: [[HOSTIP:]HOSTPORT[-END]:]GUESTPORT[-END][/tcp|/udp], several of them
 * separated by commas. */
#ifndef FCVM_NET_PORTS_H
#define FCVM_NET_PORTS_H

#include "err.h"

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PORTS_MAX 4096 /* after ranges are spelled out */

struct port {
	int family; /* of ip; AF_UNSPEC: no HOSTIP */
	union {
		struct in_addr v4;
		struct in6_addr v6;
	} ip;
	uint16_t host; /* 0: any that is free */
	uint16_t guest;
	bool udp;
	bool own, lo4, lo6;  /* where it answers; filled by publish.c */
	bool taken4, taken6; /* somebody else has it on the loopback address */
	char text[80];       /* what the user wrote, for messages */
};

struct ports {
	struct port *v;
	size_t n;
};

/* Adds what the text says. -1 with e filled (status FCVM_EX_USAGE); what was there before stays.
 * The caller releases with ports_free() in any case. */
int ports_add(struct ports *p, const char *text, struct err *e);
void ports_free(struct ports *p);

#endif
