/* SPDX-License-Identifier: MIT
 * Memory that is given back all at once: names and nodes of an image's tree. Zeroed, 8-aligned.
 * Running out of memory ends the process, as in strv.h. */
#ifndef CACHE_ARENA_H
#define CACHE_ARENA_H

#include <stddef.h>

struct arena_block;
struct arena {
	struct arena_block *head;
};

void *arena_get(struct arena *a, size_t n);
/* A copy of n bytes followed by a NUL. */
char *arena_copy(struct arena *a, const void *data, size_t n);
void arena_free(struct arena *a);

#endif
