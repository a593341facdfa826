/* SPDX-License-Identifier: MIT
 * Pages of memory images, which are mostly zeros: those become holes. */
#ifndef FCVM_PAGE_H
#define FCVM_PAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#define PAGE_BYTES ((size_t)4096)

static inline bool page_is_zero(const void *page)
{
	const char *p = page;

	return *p == 0 && !memcmp(p, p + 1, PAGE_BYTES - 1);
}

#endif
