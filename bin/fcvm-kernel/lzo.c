/* SPDX-License-Identifier: MIT
 * Written here because the usual library is GPL and the whole format is this page. */
#include "decompress.h"

#include <stdbool.h>
#include <string.h>

struct lzo {
	const uint8_t *in, *in_end;
	uint8_t *out, *out_start, *out_end;
	bool bad;
};

static unsigned next(struct lzo *z)
{
	if (z->in == z->in_end) {
		z->bad = true;
		return 0;
	}
	return *z->in++;
}

/* A length field: its own bits, or when those are 0 a run of zero bytes (255 each) and a last
 * byte on top of the greatest value the bits can hold. */
static size_t length(struct lzo *z, size_t bits, size_t greatest)
{
	size_t n = greatest;
	unsigned b;

	if (bits)
		return bits;
	while ((b = next(z)) == 0 && !z->bad)
		n += 255;
	return n + b;
}

static void literals(struct lzo *z, size_t n)
{
	if ((size_t)(z->in_end - z->in) < n || (size_t)(z->out_end - z->out) < n) {
		z->bad = true;
		return;
	}
	if (n == 0)
		return;
	memcpy(z->out, z->in, n);
	z->in += n;
	z->out += n;
}

static void match(struct lzo *z, size_t distance, size_t n)
{
	if ((size_t)(z->out - z->out_start) < distance || (size_t)(z->out_end - z->out) < n) {
		z->bad = true;
		return;
	}
	/* byte by byte: source and target overlap when the distance is shorter than the match */
	for (const uint8_t *from = z->out - distance; n; n--)
		*z->out++ = *from++;
}

/* One instruction and the literals that follow it. `state` tells how many literals came before: 0,
 * 1 to 3, or 4 for a whole run of them. Returns the next state, or -1 at the end mark. */
static int instruction(struct lzo *z, int state)
{
	unsigned t = next(z), tail;
	size_t n;

	if (t >= 64) {
		tail = t & 3;
		match(z, ((size_t)next(z) << 3) + (t >> 2 & 7) + 1, (t >> 5) + 1);
	} else if (t >= 16) {
		size_t distance;

		n = t >= 32 ? length(z, t & 31, 31) : length(z, t & 7, 7);
		tail = next(z);
		distance = (tail | next(z) << 8) >> 2;
		tail &= 3;
		if (t < 32) {
			distance += 16384 + ((size_t)(t & 8) << 11);
			if (distance == 16384)
				return -1;
		} else {
			distance++;
		}
		match(z, distance, n + 2);
	} else if (state == 0) {
		literals(z, length(z, t, 15) + 3);
		return 4;
	} else {
		tail = t & 3;
		n = ((size_t)next(z) << 2) + (t >> 2);
		match(z, n + (state == 4 ? 2049 : 1), state == 4 ? 3 : 2);
	}
	literals(z, tail);
	return (int)tail;
}

int kernel_lzo1x(const uint8_t *in, size_t n, uint8_t *out, size_t out_n)
{
	struct lzo z = {in, in + n, out, out, out + out_n, false};
	int state = 0;

	if (n && in[0] > 17) { /* the block may begin with a short run of literals */
		unsigned run = next(&z) - 17;

		literals(&z, run);
		state = run < 4 ? (int)run : 4;
	}
	while (!z.bad && state >= 0)
		state = instruction(&z, state);
	return z.bad || z.in != z.in_end || z.out != z.out_end ? -1 : 0;
}
