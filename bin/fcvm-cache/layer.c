/* SPDX-License-Identifier: MIT */
#include "layer.h"
#include "status.h"
#include "strv.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

int layer_spend_entry(struct layer_budget *b, struct err *e)
{
	if (atomic_fetch_add(&b->entries, 1) < b->max_entries)
		return 0;
	return err_set(
	        e, FCVM_EX_DATA, "more than %" PRIu64 " entries (--max-entries)", b->max_entries);
}

int layer_spend_bytes(struct layer_budget *b, uint64_t n, struct err *e)
{
	if (atomic_fetch_add(&b->bytes, n) + n <= b->max_bytes)
		return 0;
	return err_set(e, FCVM_EX_DATA,
	        "the image unpacks to more than %" PRIu64 " bytes (--max-size)", b->max_bytes);
}

static int keep(
        struct layer_list *list, const struct ltar_entry *n, struct layer_budget *b, struct err *e)
{
	size_t name = strlen(n->name), link = strlen(n->link);
	struct ltar_entry *c;

	if (layer_spend_entry(b, e) < 0)
		return err_prefix(e, "entry '%.300s'", n->name);
	if (atomic_fetch_add(&b->names, name + link + n->xattrs_len) > LAYER_NAMES_MAX)
		return err_set(e, FCVM_EX_DATA,
		        "entry '%.300s': the image's names and attributes are larger than %" PRIu64
		        " bytes",
		        n->name, LAYER_NAMES_MAX);
	if (list->n == list->cap) {
		list->cap = list->cap ? list->cap * 2 : 256;
		list->v = realloc(list->v, list->cap * sizeof *list->v);
		if (!list->v)
			abort();
	}
	c = &list->v[list->n++];
	*c = *n;
	c->name = arena_copy(&list->arena, n->name, name);
	c->link = link ? arena_copy(&list->arena, n->link, link) : "";
	c->xattrs = NULL;
	if (n->xattrs_len)
		c->xattrs = (const uint8_t *)arena_copy(&list->arena, n->xattrs, n->xattrs_len);
	return 0;
}

int layer_read(
        struct layer_list *list, const struct ltar_src *src, struct layer_budget *b, struct err *e)
{
	struct ltar *t = ltar_open(src);
	const struct ltar_entry *n;
	int r;

	while ((r = ltar_next(t, &n, e)) > 0)
		if (keep(list, n, b, e) < 0) {
			r = -1;
			break;
		}
	ltar_close(t);
	return r;
}

void layer_list_free(struct layer_list *list)
{
	arena_free(&list->arena);
	free(list->v);
	*list = (struct layer_list){0};
}
