/* SPDX-License-Identifier: MIT */
#include "arena.h"
#include "strv.h"

#include <stdlib.h>
#include <string.h>

#define BLOCK ((size_t)1 << 18)

struct arena_block {
	struct arena_block *next;
	size_t used, size;
	max_align_t data[];
};

void *arena_get(struct arena *a, size_t n)
{
	struct arena_block *b = a->head;
	void *p;

	n = (n + 7) & ~(size_t)7;
	if (!b || b->size - b->used < n) {
		size_t size = n > BLOCK / 8 ? n : BLOCK;

		b = xcalloc(1, sizeof *b + size);
		b->size = size;
		if (a->head && size != BLOCK) { /* a large piece: keep filling the open block */
			b->next = a->head->next;
			a->head->next = b;
		} else {
			b->next = a->head;
			a->head = b;
		}
	}
	p = (char *)b->data + b->used;
	b->used += n;
	return p;
}

char *arena_copy(struct arena *a, const void *data, size_t n)
{
	char *p = arena_get(a, n + 1);

	if (n)
		memcpy(p, data, n);
	return p;
}

void arena_free(struct arena *a)
{
	while (a->head) {
		struct arena_block *b = a->head;

		a->head = b->next;
		free(b);
	}
}
