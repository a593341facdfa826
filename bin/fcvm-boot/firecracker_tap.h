/* SPDX-License-Identifier: MIT
 * The network's device, lent to a process that attaches to it by name: one descriptor at a time can
 * be, and the device must not end in between. */
#ifndef FCVM_FIRECRACKER_TAP_H
#define FCVM_FIRECRACKER_TAP_H

#include "err.h"

#include <linux/if.h>
#include <sys/types.h>

struct fc_tap {
	int fd; /* the caller's; -1: nothing is lent */
	struct ifreq device;
};
#define FC_TAP_NONE      \
	{                \
		.fd = -1 \
	}

/* Takes the descriptor off its device: it leads to nowhere until fc_tap_back(). The device stays,
 * for this user (0: whoever may). 0, or -1 with e filled. */
int fc_tap_lend(struct fc_tap *t, int fd, uid_t owner, struct err *e);

/* Once the other process has ended: the descriptor leads to the device again, for another
 * monitor. */
void fc_tap_back(struct fc_tap *t);

#endif
