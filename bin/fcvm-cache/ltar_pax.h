/* SPDX-License-Identifier: MIT
 * The records of pax extended headers, inside ltar.c's reading. */
#ifndef CACHE_LTAR_PAX_H
#define CACHE_LTAR_PAX_H

#include "err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LTAR_SPECIAL_MAX ((size_t)1 << 20) /* bytes of one extended header, as Go has it */

struct lbuf {
	char *p; /* NUL-terminated once set */
	size_t len, cap;
};

void lbuf_set(struct lbuf *b, const void *data, size_t n);
void lbuf_add(struct lbuf *b, const void *data, size_t n);
void lbuf_free(struct lbuf *b);

/* What extended headers said about the next entry. */
struct ltar_pax {
	struct lbuf path, link, xattrs;
	bool has_path, has_link, has_size, has_uid, has_gid, has_mtime, sparse;
	uint64_t size, uid, gid;
	int64_t mtime;
};

void ltar_pax_clear(struct ltar_pax *p); /* keeps the buffers */
void ltar_pax_free(struct ltar_pax *p);

/* Merges the records of one header. 0, or -1 with e filled. */
int ltar_pax_parse(struct ltar_pax *p, const char *text, size_t n, struct err *e);

#endif
