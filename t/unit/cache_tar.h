/* SPDX-License-Identifier: MIT
 * Makes layer tars in memory for the tests of fcvm-cache: ustar headers with right checksums. */
#ifndef TEST_CACHE_TAR_H
#define TEST_CACHE_TAR_H

#include <fcvm-cache/ltar.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct tar_mem {
	char buf[256 << 10];
	size_t n, at;
	size_t step; /* bytes handed out at a time */
};

static inline void tar_raw(struct tar_mem *t, const void *data, size_t n)
{
	memcpy(t->buf + t->n, data, n);
	t->n += n;
}

static inline char *tar_put(
        struct tar_mem *t, const char *name, char type, const char *link, size_t size)
{
	char *h = t->buf + t->n;
	unsigned sum = 8 * ' ';

	memset(h, 0, 512);
	memcpy(h, name, strnlen(name, 100));
	memcpy(h + 100, "0000644\0000000001\0000000002", 24);
	snprintf(h + 124, 12, "%011zo", size);
	memcpy(h + 136, "00000000144", 12);
	h[156] = type;
	memcpy(h + 157, link, strnlen(link, 100));
	memcpy(h + 257, "ustar\00000", 8);
	for (int i = 0; i < 512; i++)
		sum += (unsigned char)h[i];
	snprintf(h + 148, 8, "%06o", sum);
	t->n += 512;
	return h;
}

/* For a header that was changed after tar_put(). */
static inline void tar_checksum(char *h)
{
	unsigned sum = 0;

	memset(h + 148, ' ', 8);
	for (int i = 0; i < 512; i++)
		sum += (unsigned char)h[i];
	snprintf(h + 148, 8, "%06o", sum);
}

static inline void tar_data(struct tar_mem *t, const void *data, size_t n)
{
	tar_raw(t, data, n);
	memset(t->buf + t->n, 0, -n & 511);
	t->n += -n & 511;
}

static inline void tar_file(struct tar_mem *t, const char *name, const char *data)
{
	tar_put(t, name, '0', "", strlen(data));
	tar_data(t, data, strlen(data));
}

static inline void tar_pax(struct tar_mem *t, const char *records, size_t n)
{
	tar_put(t, "PaxHeader", 'x', "", n);
	tar_data(t, records, n);
}

static inline ssize_t tar_next(void *ctx, const void **block, struct err *e)
{
	struct tar_mem *t = ctx;
	size_t n = t->n - t->at, step = t->step ? t->step : 700;

	(void)e;
	n = n < step ? n : step;
	*block = t->buf + t->at;
	t->at += n;
	return (ssize_t)n;
}

#endif
