/* SPDX-License-Identifier: MIT
 * FCVM_TRACE=1: a line on stderr for each phase of a start, with CLOCK_MONOTONIC in microseconds.
 */
#ifndef FCVM_TRACE_H
#define FCVM_TRACE_H

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static inline void trace(const char *phase)
{
	const char *wanted = getenv("FCVM_TRACE");
	struct timespec ts;

	if (!wanted || wanted[0] != '1')
		return;
	clock_gettime(CLOCK_MONOTONIC, &ts);
	dprintf(2, "fcvm-trace: %lld %s\n", (long long)ts.tv_sec * 1000000 + ts.tv_nsec / 1000,
	        phase);
}

#endif
