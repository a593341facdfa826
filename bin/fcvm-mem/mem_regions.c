/* SPDX-License-Identifier: MIT */
#include "mem_regions.h"
#include "json.h"
#include "status.h"

#include <errno.h>
#include <stdlib.h>

#define ADDRESS_MAX ((uint64_t)1 << 56) /* user addresses with five-level page tables */

static int field(const json_t *o, const char *key, uint64_t max, uint64_t *out)
{
	const json_t *v = json_object_get(o, key);
	json_int_t i = json_integer_value(v);

	if (!json_is_integer(v) || i < 0 || (uint64_t)i > max)
		return -1;
	*out = (uint64_t)i;
	return 0;
}

/* Releases before 1.12 have only the second name; both count bytes. */
static int page_size(const json_t *o, uint32_t *out)
{
	uint64_t v;

	if (field(o, "page_size", MEM_PAGE_HUGE, &v) < 0 &&
	        field(o, "page_size_kib", MEM_PAGE_HUGE, &v) < 0)
		return -1;
	if (v != MEM_PAGE && v != MEM_PAGE_HUGE)
		return -1;
	*out = (uint32_t)v;
	return 0;
}

/* `at` is where the file goes on after the regions before. */
static int read_region(
        const json_t *o, uint64_t at, uint64_t size, struct mem_region *r, struct err *e, size_t i)
{
	if (!json_is_object(o) || field(o, "base_host_virt_addr", ADDRESS_MAX, &r->base) < 0 ||
	        field(o, "size", size, &r->size) < 0 || field(o, "offset", size, &r->offset) < 0 ||
	        page_size(o, &r->page) < 0)
		return err_set(
		        e, FCVM_EX_DATA, "region %zu has a field that is missing or wrong", i);
	if (!r->size || r->size % r->page || r->base % r->page || r->offset % r->page)
		return err_set(e, FCVM_EX_DATA, "region %zu is not made of whole pages", i);
	if (r->offset != at || r->size > size - at)
		return err_set(
		        e, FCVM_EX_DATA, "region %zu is not the next part of the memory file", i);
	return 0;
}

static bool overlap(const struct mem_region *a, const struct mem_region *b)
{
	return a->base < b->base + b->size && b->base < a->base + a->size;
}

static int read_all(const json_t *doc, uint64_t size, struct mem_regions *out, struct err *e)
{
	uint64_t at = 0;

	if (!json_is_array(doc) || !json_array_size(doc) || json_array_size(doc) > MEM_REGIONS_MAX)
		return err_set(e, FCVM_EX_DATA, "it describes no memory, or in over %d regions",
		        MEM_REGIONS_MAX);
	for (size_t i = 0; i < json_array_size(doc); i++) {
		struct mem_region *r = &out->v[i];

		if (read_region(json_array_get(doc, i), at, size, r, e, i) < 0)
			return -1;
		for (size_t j = 0; j < i; j++)
			if (overlap(r, &out->v[j]))
				return err_set(
				        e, FCVM_EX_DATA, "regions %zu and %zu overlap", j, i);
		at += r->size;
		out->n++;
	}
	if (at != size)
		return err_set(e, FCVM_EX_DATA,
		        "its memory has %llu bytes, the memory file %llu: they are not of one "
		        "snapshot",
		        (unsigned long long)at, (unsigned long long)size);
	return 0;
}

int mem_handshake(const char *text, size_t n, uint64_t size, struct mem_regions *out, struct err *e)
{
	auto_json json_t *doc = NULL;
	json_error_t je;

	*out = (struct mem_regions){.n = 0};
	doc = json_loadb(text, n, JSON_REJECT_DUPLICATES, &je);
	if (!doc && json_error_code(&je) == json_error_premature_end_of_input &&
	        n < MEM_HANDSHAKE_MAX)
		return 1;
	if (!doc)
		return err_set(e, FCVM_EX_DATA, "its description is no JSON array, or too long");
	return read_all(doc, size, out, e);
}

static size_t words(const struct mem_region *r)
{
	return (size_t)((r->size / r->page + 63) / 64);
}

int mem_regions_track(struct mem_regions *r)
{
	for (size_t i = 0; i < r->n; i++) {
		r->v[i].gone = calloc(words(&r->v[i]), sizeof *r->v[i].gone);
		if (!r->v[i].gone) {
			mem_regions_free(r);
			return -ENOMEM;
		}
	}
	return 0;
}

void mem_regions_free(struct mem_regions *r)
{
	for (size_t i = 0; i < r->n; i++) {
		free(r->v[i].gone);
		r->v[i].gone = NULL;
	}
}

struct mem_region *mem_region_at(struct mem_regions *r, uint64_t address)
{
	for (size_t i = 0; i < r->n; i++)
		if (address >= r->v[i].base && address - r->v[i].base < r->v[i].size)
			return &r->v[i];
	return NULL;
}

struct mem_region *mem_region_of(struct mem_regions *r, uint64_t offset)
{
	for (size_t i = 0; i < r->n; i++)
		if (offset >= r->v[i].offset && offset - r->v[i].offset < r->v[i].size)
			return &r->v[i];
	return NULL;
}

bool mem_is_gone(const struct mem_region *r, uint64_t page_index)
{
	return r->gone[page_index / 64] >> (page_index % 64) & 1;
}

uint64_t mem_remove(struct mem_regions *r, uint64_t start, uint64_t end)
{
	uint64_t fresh = 0;

	for (size_t i = 0; i < r->n; i++) {
		struct mem_region *m = &r->v[i];
		uint64_t from = start > m->base ? start : m->base;
		uint64_t to = end < m->base + m->size ? end : m->base + m->size;

		if (from >= to)
			continue;
		for (uint64_t p = (from - m->base) / m->page; p <= (to - 1 - m->base) / m->page;
		        p++) {
			fresh += mem_is_gone(m, p) ? 0 : m->page;
			m->gone[p / 64] |= (uint64_t)1 << (p % 64);
		}
	}
	return fresh;
}

uint64_t mem_alike(const struct mem_region *r, uint64_t page_index, uint64_t max)
{
	uint64_t last = r->size / r->page - page_index, n = 1;
	bool gone = mem_is_gone(r, page_index);

	if (max > last)
		max = last;
	while (n < max && mem_is_gone(r, page_index + n) == gone)
		n++;
	return n;
}
