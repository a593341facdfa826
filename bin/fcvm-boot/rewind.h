/* SPDX-License-Identifier: MIT
 * A VM that goes back to a snapshot of itself, at a client's request: another machine takes the
 * place of the one that runs, while name, lock, network, log, front and this process stay. Until
 * the other one has answered, the first is only stopped; at any end but success it goes on as if
 * nothing had been. */
#ifndef FCVM_BOOT_REWIND_H
#define FCVM_BOOT_REWIND_H

#include "supervise.h"

void rewind_request(struct conn *c, const json_t *request);

/* rewind_swap.c: the other machine, which runs, takes the place of the one that is stopped. */
struct rewind_other {
	struct vmm vmm;
	struct proto_in in; /* from its agent and to it */
	struct proto_out out;
	int scratch;
	bool paused; /* its container */
};
/* All of it becomes the machine's; sessions end, and hear why. */
void rewind_swap(struct machine *m, const struct rewind_other *o, const char *why);

/* rewind_check.c: whether the machine can be the one of the snapshot. 0, or -1 with e filled, which
 * names what differs. */
struct snapshot;
int rewind_check(const struct machine *m, const struct snapshot *found, struct err *e);
/* Whether two files have the same contents: 1, 0 or -1 with errno set. Takes time. */
int rewind_same_file(int a, int b);

#endif
