/* SPDX-License-Identifier: MIT */
#include "pagehash.h"
#include "page.h"
#include "strv.h"

#include <stdlib.h>

struct pagehash {
	struct sha256 *sha;
	uint64_t number; /* of the page that is half there */
	size_t filled;   /* its bytes, zeros that were left out included; 0: none is */
	char page[PAGE_BYTES];
};

struct pagehash *pagehash_begin(void)
{
	struct pagehash *h = xcalloc(1, sizeof *h);

	h->sha = sha256_begin();
	return h;
}

static void add_number(struct pagehash *h, uint64_t n)
{
	unsigned char le[8];

	for (int i = 0; i < 8; i++)
		le[i] = (unsigned char)(n >> 8 * i);
	sha256_add(h->sha, le, sizeof le);
}

static void add_page(struct pagehash *h, uint64_t number, const void *page)
{
	if (page_is_zero(page))
		return;
	add_number(h, number);
	sha256_add(h->sha, page, PAGE_BYTES);
}

static void flush(struct pagehash *h)
{
	if (h->filled)
		add_page(h, h->number, h->page);
	memset(h->page, 0, h->filled);
	h->filled = 0;
}

void pagehash_add(struct pagehash *h, uint64_t at, const void *data, size_t n)
{
	const char *p = data;

	while (n > 0) {
		size_t start = (size_t)(at % PAGE_BYTES), part = PAGE_BYTES - start;

		if (h->filled && at / PAGE_BYTES != h->number)
			flush(h);
		if (part > n)
			part = n;
		if (part == PAGE_BYTES) {
			add_page(h, at / PAGE_BYTES, p);
		} else {
			h->number = at / PAGE_BYTES;
			memcpy(h->page + start, p, part);
			h->filled = start + part;
		}
		p += part;
		at += part;
		n -= part;
	}
}

void pagehash_end(struct pagehash *h, uint64_t size, char hex[SHA256_HEX])
{
	flush(h);
	add_number(h, size);
	sha256_end(h->sha, hex);
	free(h);
}
