/* SPDX-License-Identifier: MIT
 * Places where a test may have the process killed, to see that what it leaves is whole: the one
 * that FCVM_FAILPOINT names. */
#ifndef FCVM_FAILPOINT_H
#define FCVM_FAILPOINT_H

#include <signal.h>
#include <stdlib.h>
#include <string.h>

static inline void failpoint(const char *name)
{
	const char *wanted = getenv("FCVM_FAILPOINT");

	if (wanted && !strcmp(wanted, name))
		raise(SIGKILL);
}

#endif
