/* SPDX-License-Identifier: MIT
 * What --publish takes. What is accepted must be within bounds and written as it was meant. */
#include "cleanup.h"
#include "ports.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	auto_free char *text = strndup((const char *)data, size);
	struct ports p = {0};
	struct err e = {0};
	char *next = text, *line;

	while ((line = strsep(&next, "\n"))) {
		size_t before = p.n;
		int r = ports_add(&p, line, &e);

		if ((r < 0 && (p.n != before || !e.status)) || p.n > PORTS_MAX)
			abort();
	}
	for (size_t i = 0; i < p.n; i++)
		if (!p.v[i].guest || (p.v[i].family != AF_UNSPEC && p.v[i].family != AF_INET &&
		                             p.v[i].family != AF_INET6))
			abort();
	ports_free(&p);
	return 0;
}
