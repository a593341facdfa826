/* SPDX-License-Identifier: MIT */
#include "guest_port.h"
#include "num.h"

#include <string.h>

#define AGENT       1024
#define VOLUME      1100
#define VOLUMES_MAX 100

int guest_port_number(const char *name)
{
	static const char volume[] = "fcvm.vol";
	uint64_t n;

	if (!strcmp(name, GUEST_PORT_AGENT))
		return AGENT;
	if (strncmp(name, volume, strlen(volume)) != 0 ||
	        num_u64(name + strlen(volume), 0, VOLUMES_MAX - 1, &n) < 0)
		return -1;
	return VOLUME + (int)n;
}
