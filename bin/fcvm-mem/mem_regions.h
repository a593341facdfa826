/* SPDX-License-Identifier: MIT
 * The memory of one client as it described it: which of its addresses hold which part of the
 * snapshot's memory file, and which pages it has given back since. */
#ifndef FCVM_MEM_REGIONS_H
#define FCVM_MEM_REGIONS_H

#include "err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MEM_REGIONS_MAX   16
#define MEM_HANDSHAKE_MAX ((size_t)4096) /* bytes */
#define MEM_PAGE          4096
#define MEM_PAGE_HUGE     (2U << 20)

struct mem_region {
	uint64_t base, size; /* the client's addresses */
	uint64_t offset;     /* in the memory file */
	uint32_t page;       /* bytes */
	uint64_t *gone;      /* a bit a page: removed, so it is zero from then on */
};

struct mem_regions {
	struct mem_region v[MEM_REGIONS_MAX];
	size_t n;
};

/* Reads the description that a client sends: n bytes of text, of a memory file of `size` bytes.
 * Returns 0, 1 if the text is only the beginning of one, or -1 with e filled. */
int mem_handshake(
        const char *text, size_t n, uint64_t size, struct mem_regions *out, struct err *e);

/* Room for the bits of removed pages: 0 or -ENOMEM. mem_regions_free() gives it back. */
int mem_regions_track(struct mem_regions *r);
void mem_regions_free(struct mem_regions *r);

/* The region that holds the address, or that offset of the file; NULL: none does. */
struct mem_region *mem_region_at(struct mem_regions *r, uint64_t address);
struct mem_region *mem_region_of(struct mem_regions *r, uint64_t offset);

bool mem_is_gone(const struct mem_region *r, uint64_t page_index);

/* Marks every page that the addresses from `start` to before `end` touch, in whichever regions they
 * are. Returns how many bytes of them were not marked before. */
uint64_t mem_remove(struct mem_regions *r, uint64_t start, uint64_t end);

/* Pages from page_index on, at most `max` (which is not 0), that are alike: all gone or none. */
uint64_t mem_alike(const struct mem_region *r, uint64_t page_index, uint64_t max);

#endif
