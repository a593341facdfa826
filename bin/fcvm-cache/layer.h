/* SPDX-License-Identifier: MIT
 * The entries of one layer, read ahead of being applied, so that layers can be read in parallel. */
#ifndef CACHE_LAYER_H
#define CACHE_LAYER_H

#include "arena.h"
#include "ltar.h"

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

/* What an image may cost, shared by the threads that read its layers. */
struct layer_budget {
	uint64_t max_entries; /* entries and implied directories */
	uint64_t max_bytes;   /* uncompressed bytes of all layers */
	_Atomic uint64_t entries, bytes, names;
};
#define LAYER_NAMES_MAX ((uint64_t)512 << 20) /* bytes of names, targets and attributes */

/* 0, or -1 with e filled when the sum goes over the limit. */
int layer_spend_entry(struct layer_budget *b, struct err *e);
int layer_spend_bytes(struct layer_budget *b, uint64_t n, struct err *e);

struct layer_list {
	struct arena arena; /* owns what the entries point to */
	struct ltar_entry *v;
	size_t n, cap;
};

/* Reads the whole source. 0, or -1 with e filled. */
int layer_read(
        struct layer_list *list, const struct ltar_src *src, struct layer_budget *b, struct err *e);
void layer_list_free(struct layer_list *list);

#endif
