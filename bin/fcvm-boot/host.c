/* SPDX-License-Identifier: MIT */
#include "host.h"
#include "meminfo.h"
#include "status.h"

#include <sched.h>

int host_check(unsigned cpus, uint64_t memory, struct err *e)
{
	uint64_t have = meminfo_available();
	cpu_set_t set;
	int n;

	n = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 0;
	if (n > 0 && cpus > (unsigned)n)
		return err_set(e, FCVM_EX_FAIL, "--cpus %u: this host has %d", cpus, n);
	if (have && memory > have)
		return err_set(e, FCVM_EX_FAIL,
		        "--memory %lluM: this host has %lluM available: free some or ask for less",
		        (unsigned long long)memory >> 20, (unsigned long long)have >> 20);
	return 0;
}
