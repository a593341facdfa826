/* SPDX-License-Identifier: MIT
 * A helper (helper.h) for what takes the supervisor too long: it works, says how it went, and ends.
 */
#ifndef FCVM_BOOT_AIDE_H
#define FCVM_BOOT_AIDE_H

#include "supervise.h"

struct aide {
	int report, pidfd; /* -1: none works */
	struct watch watch;
};
#define AIDE_NONE                                               \
	(struct aide)                                           \
	{                                                       \
		.report = -1, .pidfd = -1, .watch = {.fd = -1 } \
	}

struct aide_work {
	const char *name;
	const int *keep; /* descriptors that it works with */
	size_t n_keep;
	void (*fn)(void *ctx, int report);        /* in the helper */
	void (*done)(void *ctx, uint32_t events); /* here: helper_wait(), then aide_end() */
	void *ctx;
};

int aide_start(struct machine *m, struct aide *a, const struct aide_work *w, struct err *e);
void aide_end(struct machine *m, struct aide *a); /* it is gone, or goes now */

#endif
