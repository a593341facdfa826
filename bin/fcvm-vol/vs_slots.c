/* SPDX-License-Identifier: MIT
 * The numbers of nodes, which are places in a table: the lowest that is free is given next, so that
 * the table can be as small again as it was. */
#include "vs.h"

#include <stdlib.h>
#include <string.h>

#define MIN 1024

bool vs_slots_more(struct vs_nodes *t)
{
	uint32_t n = t->n_slots ? t->n_slots * 2 : MIN;
	struct vs_node **v = realloc(t->slots, n * sizeof *v);

	if (!v)
		return false;
	memset(v + t->n_slots, 0, (n - t->n_slots) * sizeof *v);
	t->slots = v;
	t->free_hint = t->n_slots;
	t->n_slots = n;
	return true;
}

bool vs_slots_fewer(struct vs_nodes *t)
{
	uint32_t top = t->n_slots, n = t->n_slots;
	struct vs_node **v;

	while (top > 0 && !t->slots[top - 1])
		top--;
	while (n > MIN && n / 2 > top)
		n /= 2;
	if (n == t->n_slots)
		return false;
	v = realloc(t->slots, n * sizeof *v);
	if (!v)
		return false;
	t->slots = v;
	t->n_slots = n;
	return true;
}

/* The hint is never above the lowest free slot, so searching is short on the whole. */
uint32_t vs_slot_free(struct vs_nodes *t)
{
	uint32_t i = t->free_hint < 2 ? 2 : t->free_hint;

	while (i < t->n_slots && t->slots[i])
		i++;
	if (i >= t->n_slots) {
		i = t->n_slots < 2 ? 2 : t->n_slots;
		if (!vs_slots_more(t))
			return 0;
	}
	t->free_hint = i + 1;
	return i;
}
