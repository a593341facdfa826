/* SPDX-License-Identifier: MIT */
#include "decompress.h"

#include <lz4.h>
#include <stdbool.h>
#include <string.h>
#include <zlib.h>

#define LZ4_BLOCK ((size_t)8 << 20) /* what one block of the legacy frame unpacks to, at most */

/* lzop file flags */
#define LZOP_ADLER_OUT 0x1u
#define LZOP_ADLER_IN  0x2u
#define LZOP_EXTRA     0x40u
#define LZOP_CRC_OUT   0x100u
#define LZOP_CRC_IN    0x200u
#define LZOP_FILTER    0x800u
#define LZOP_BLOCK     ((size_t)64 << 20)

int kernel_unlz4(const uint8_t *in, size_t n, struct kernel_sink *s, size_t *used, struct err *e)
{
	size_t at = 4;

	while (at < n) {
		size_t room, size;
		int got;

		if (n - at == 4 && kernel_le32(in + at) == (uint32_t)s->b.n)
			break; /* the length that Linux appends */
		if (n - at < 4)
			return kernel_comp_short(KERNEL_COMP_LZ4, e);
		size = kernel_le32(in + at);
		if (size == 0 || size > (size_t)LZ4_COMPRESSBOUND(LZ4_BLOCK))
			return kernel_comp_damaged(KERNEL_COMP_LZ4, at, e);
		if (n - at - 4 < size)
			return kernel_comp_short(KERNEL_COMP_LZ4, e);
		room = kernel_sink_room(s, LZ4_BLOCK);
		if (!room)
			return kernel_comp_large(s->max, e);
		if (room > LZ4_BLOCK)
			room = LZ4_BLOCK;
		got = LZ4_decompress_safe(
		        (const char *)in + at + 4, (char *)s->b.p + s->b.n, (int)size, (int)room);
		if (got < 0)
			return room < LZ4_BLOCK ? kernel_comp_large(s->max, e)
			                        : kernel_comp_damaged(KERNEL_COMP_LZ4, at, e);
		s->b.n += (size_t)got;
		at += 4 + size;
	}
	*used = at;
	return 0;
}

struct reader {
	const uint8_t *p;
	size_t n, at;
	bool past; /* something was read beyond the end */
};

static uint32_t take(struct reader *r, size_t bytes)
{
	uint32_t v = 0;

	if (r->n - r->at < bytes) {
		r->past = true;
		r->at = r->n;
		return 0;
	}
	while (bytes--)
		v = v << 8 | r->p[r->at++];
	return v;
}

static void skip(struct reader *r, size_t bytes)
{
	if (r->n - r->at < bytes)
		r->past = true;
	r->at = r->past ? r->n : r->at + bytes;
}

static uint32_t lzop_header(struct reader *r)
{
	uint32_t version, flags;

	skip(r, 9); /* the magic */
	version = take(r, 2);
	skip(r, version >= 0x940 ? 4 : 2); /* library version; version needed */
	skip(r, version >= 0x940 ? 2 : 1); /* method; level */
	flags = take(r, 4);
	if (flags & LZOP_FILTER)
		skip(r, 4);
	skip(r, version >= 0x940 ? 12 : 8); /* mode, times */
	skip(r, take(r, 1));                /* file name */
	skip(r, 4);                         /* header checksum */
	if (flags & LZOP_EXTRA)
		skip(r, (size_t)take(r, 4) + 4);
	return flags;
}

static bool lzop_sum(uint32_t flags, uint32_t adler, uint32_t want_adler, uint32_t crc,
        uint32_t want_crc, const uint8_t *p, size_t n)
{
	if ((flags & adler) && adler32(adler32(0, NULL, 0), p, (uInt)n) != want_adler)
		return false;
	return !(flags & crc) || crc32(crc32(0, NULL, 0), p, (uInt)n) == want_crc;
}

/* One block whose unpacked length was read already. */
static int lzop_block(
        struct reader *r, uint32_t flags, size_t out_n, struct kernel_sink *s, struct err *e)
{
	size_t start = r->at, in_n = take(r, 4);
	uint32_t adler = flags & LZOP_ADLER_OUT ? take(r, 4) : 0;
	uint32_t crc = flags & LZOP_CRC_OUT ? take(r, 4) : 0;
	uint32_t adler_in = flags & LZOP_ADLER_IN && in_n < out_n ? take(r, 4) : 0;
	uint32_t crc_in = flags & LZOP_CRC_IN && in_n < out_n ? take(r, 4) : 0;
	const uint8_t *from = r->p + r->at;
	uint8_t *to;

	if (in_n == 0 || in_n > out_n || out_n > LZOP_BLOCK)
		return kernel_comp_damaged(KERNEL_COMP_LZO, start, e);
	skip(r, in_n);
	if (r->past)
		return kernel_comp_short(KERNEL_COMP_LZO, e);
	if (kernel_sink_room(s, out_n) < out_n)
		return kernel_comp_large(s->max, e);
	to = s->b.p + s->b.n;
	if (in_n == out_n) /* stored */
		memcpy(to, from, out_n);
	else if (!lzop_sum(flags, LZOP_ADLER_IN, adler_in, LZOP_CRC_IN, crc_in, from, in_n) ||
	         kernel_lzo1x(from, in_n, to, out_n) < 0)
		return kernel_comp_damaged(KERNEL_COMP_LZO, start, e);
	if (!lzop_sum(flags, LZOP_ADLER_OUT, adler, LZOP_CRC_OUT, crc, to, out_n))
		return kernel_comp_damaged(KERNEL_COMP_LZO, start, e);
	s->b.n += out_n;
	return 0;
}

int kernel_unlzop(const uint8_t *in, size_t n, struct kernel_sink *s, size_t *used, struct err *e)
{
	struct reader r = {.p = in, .n = n};
	uint32_t flags = lzop_header(&r);

	for (;;) {
		size_t out_n = take(&r, 4);

		if (r.past)
			return kernel_comp_short(KERNEL_COMP_LZO, e);
		if (out_n == 0)
			break;
		if (lzop_block(&r, flags, out_n, s, e) < 0)
			return -1;
	}
	*used = r.at;
	return 0;
}
