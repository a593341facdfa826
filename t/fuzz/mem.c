/* SPDX-License-Identifier: MIT
 * What a VMM says of its memory, and files of working sets. What is accepted lies within the memory
 * file and within its own addresses, and marking pages stays inside. */
#include "mem_order.h"
#include "mem_regions.h"

#include <stdlib.h>
#include <string.h>

#define SIZE ((uint64_t)4 << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_regions(struct mem_regions *r)
{
	uint64_t total = 0;

	for (size_t i = 0; i < r->n; i++) {
		struct mem_region *m = &r->v[i];

		if (m->offset != total || !m->size || m->base + m->size < m->base ||
		        mem_region_at(r, m->base + m->size - 1) != m ||
		        mem_region_of(r, m->offset) != m)
			abort();
		total += m->size;
	}
	if (total != SIZE || mem_regions_track(r) < 0)
		abort();
	mem_remove(r, r->v[0].base, r->v[0].base + 1);
	if (!mem_is_gone(&r->v[0], 0) || mem_remove(r, 0, UINT64_MAX) != SIZE - r->v[0].page)
		abort();
	mem_regions_free(r);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = (const char *)data;
	struct mem_regions r;
	struct mem_order o;
	struct err e = {0};
	int got = mem_handshake(text, size, SIZE, &r, &e);

	if (got == 0)
		check_regions(&r);
	else if (got < 0 && !e.status)
		abort();
	if (mem_order_parse(text, size, SIZE, &o, &e) < 0 && o.n)
		abort();
	for (size_t i = 0; i < o.n; i++)
		if (o.v[i].offset > SIZE || o.v[i].length > SIZE - o.v[i].offset)
			abort();
	mem_order_free(&o);
	return 0;
}
