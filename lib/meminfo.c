/* SPDX-License-Identifier: MIT */
#include "meminfo.h"
#include "cleanup.h"

#include <stdio.h>

uint64_t meminfo_available(void)
{
	auto_file FILE *f = fopen("/proc/meminfo", "re");
	unsigned long long kib = 0;
	char line[128];

	while (f && fgets(line, sizeof line, f))
		if (sscanf(line, "MemAvailable: %llu", &kib) == 1)
			break;
	return kib << 10;
}
