/* SPDX-License-Identifier: MIT
 * A machine that has ended has its ports and addresses for some milliseconds more, until the kernel
 * has ended its keeper, and its link until the kernel has ended its network namespace. Who needs
 * just one that is in use waits that long, once in all; where another will do, nobody waits. */
#ifndef FCVM_NET_PATIENCE_H
#define FCVM_NET_PATIENCE_H

#include "clock.h"

#include <poll.h>
#include <stdbool.h>

#define PATIENCE_MS 1500

struct patience {
	int64_t until; /* 0: nobody has waited yet */
};

/* Waits a little. false: it has been long enough. */
static inline bool patience_wait(struct patience *p)
{
	int64_t now = clock_ms();

	if (p->until == 0)
		p->until = now + PATIENCE_MS;
	if (now >= p->until)
		return false;
	poll(NULL, 0, 2);
	return true;
}

#endif
