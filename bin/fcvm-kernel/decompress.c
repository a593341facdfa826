/* SPDX-License-Identifier: MIT */
#include "decompress.h"
#include "status.h"

#include <bzlib.h>
#include <lzma.h>
#include <stdbool.h>
#include <string.h>
#include <zlib.h>
#include <zstd.h>

#define LZMA_MEMORY ((uint64_t)256 << 20) /* kernels use dictionaries of at most 128 MiB */

static const struct {
	const char *name;
	size_t n;
	uint8_t magic[9];
} formats[] = {
        [KERNEL_COMP_GZIP] = {"gzip", 3, {0x1f, 0x8b, 8}},
        [KERNEL_COMP_BZIP2] = {"bzip2", 3, {'B', 'Z', 'h'}},
        [KERNEL_COMP_LZMA] = {"lzma", 3, {0x5d, 0, 0}},
        [KERNEL_COMP_XZ] = {"xz", 6, {0xfd, '7', 'z', 'X', 'Z', 0}},
        [KERNEL_COMP_LZO] = {"lzo", 9, {0x89, 'L', 'Z', 'O', 0, '\r', '\n', 0x1a, '\n'}},
        [KERNEL_COMP_LZ4] = {"lz4", 4, {0x02, 0x21, 0x4c, 0x18}},
        [KERNEL_COMP_ZSTD] = {"zstd", 4, {0x28, 0xb5, 0x2f, 0xfd}},
};

const char *kernel_comp_name(enum kernel_comp c)
{
	return c == KERNEL_COMP_NONE ? "none" : formats[c].name;
}

enum kernel_comp kernel_comp_sniff(const uint8_t *p, size_t n)
{
	for (size_t i = KERNEL_COMP_GZIP; i < sizeof formats / sizeof *formats; i++)
		if (n >= formats[i].n && !memcmp(p, formats[i].magic, formats[i].n))
			return (enum kernel_comp)i;
	return KERNEL_COMP_NONE;
}

int kernel_comp_short(enum kernel_comp c, struct err *e)
{
	return err_set(
	        e, FCVM_EX_DATA, "truncated: the %s data end too early", kernel_comp_name(c));
}

int kernel_comp_damaged(enum kernel_comp c, size_t at, struct err *e)
{
	return err_set(e, FCVM_EX_DATA, "the %s data are damaged at byte %zu of them",
	        kernel_comp_name(c), at);
}

int kernel_comp_large(size_t max, struct err *e)
{
	return err_set(e, FCVM_EX_DATA, "unpacks to more than %zu MiB", max >> 20);
}

size_t kernel_sink_room(struct kernel_sink *s, size_t want)
{
	if (s->cap - s->b.n < want && s->cap < s->max) {
		size_t cap = s->cap + want > s->cap * 2 ? s->cap + want : s->cap * 2;
		uint8_t *p;

		if (cap > s->max)
			cap = s->max;
		p = realloc(s->b.p, cap);
		if (!p)
			abort();
		s->b.p = p;
		s->cap = cap;
	}
	return s->cap - s->b.n;
}

/* One decoder of a library that takes bytes in and gives bytes out. */
struct codec {
	enum kernel_comp comp;
	z_stream z;
	bz_stream b;
	lzma_stream l;
	ZSTD_DCtx *zstd;
};

enum step { STEP_MORE, STEP_END, STEP_BAD };

static bool codec_begin(struct codec *c)
{
	switch (c->comp) {
	case KERNEL_COMP_GZIP:
		return inflateInit2(&c->z, 15 + 16) == Z_OK;
	case KERNEL_COMP_BZIP2:
		return BZ2_bzDecompressInit(&c->b, 0, 0) == BZ_OK;
	case KERNEL_COMP_LZMA:
		return lzma_alone_decoder(&c->l, LZMA_MEMORY) == LZMA_OK;
	case KERNEL_COMP_XZ:
		return lzma_stream_decoder(&c->l, LZMA_MEMORY, 0) == LZMA_OK;
	case KERNEL_COMP_ZSTD:
		return (c->zstd = ZSTD_createDCtx()) != NULL;
	default:
		return false;
	}
}

static void codec_end(struct codec *c)
{
	switch (c->comp) {
	case KERNEL_COMP_GZIP:
		inflateEnd(&c->z);
		break;
	case KERNEL_COMP_BZIP2:
		BZ2_bzDecompressEnd(&c->b);
		break;
	case KERNEL_COMP_ZSTD:
		ZSTD_freeDCtx(c->zstd);
		break;
	default:
		lzma_end(&c->l);
	}
}

/* Each advances *in and *out by what it took and gave. The counts that zlib and libbz2 keep are 32
 * bits wide, so the caller offers no more than 1 GiB at a time. */
static enum step step_gzip(
        struct codec *c, const uint8_t **in, size_t n, uint8_t **out, size_t room)
{
	int r;

	c->z.next_in = (z_const Bytef *)*in;
	c->z.avail_in = (uInt)n;
	c->z.next_out = *out;
	c->z.avail_out = (uInt)room;
	r = inflate(&c->z, Z_NO_FLUSH);
	*in = c->z.next_in;
	*out = c->z.next_out;
	if (r == Z_STREAM_END)
		return STEP_END;
	return r == Z_OK || r == Z_BUF_ERROR ? STEP_MORE : STEP_BAD;
}

static enum step step_bzip2(
        struct codec *c, const uint8_t **in, size_t n, uint8_t **out, size_t room)
{
	int r;

	c->b.next_in = (char *)(uintptr_t)*in; /* libbz2 only reads it */
	c->b.avail_in = (unsigned)n;
	c->b.next_out = (char *)*out;
	c->b.avail_out = (unsigned)room;
	r = BZ2_bzDecompress(&c->b);
	*in += n - c->b.avail_in;
	*out = (uint8_t *)c->b.next_out;
	if (r == BZ_STREAM_END)
		return STEP_END;
	return r == BZ_OK ? STEP_MORE : STEP_BAD;
}

static enum step step_lzma(
        struct codec *c, const uint8_t **in, size_t n, uint8_t **out, size_t room)
{
	lzma_ret r;

	c->l.next_in = *in;
	c->l.avail_in = n;
	c->l.next_out = *out;
	c->l.avail_out = room;
	r = lzma_code(&c->l, LZMA_RUN);
	*in = c->l.next_in;
	*out = c->l.next_out;
	if (r == LZMA_STREAM_END)
		return STEP_END;
	return r == LZMA_OK || r == LZMA_BUF_ERROR ? STEP_MORE : STEP_BAD;
}

static enum step step_zstd(
        struct codec *c, const uint8_t **in, size_t n, uint8_t **out, size_t room)
{
	ZSTD_inBuffer i = {*in, n, 0};
	ZSTD_outBuffer o = {*out, room, 0};
	size_t r = ZSTD_decompressStream(c->zstd, &o, &i);

	*in += i.pos;
	*out += o.pos;
	if (ZSTD_isError(r))
		return STEP_BAD;
	return r == 0 ? STEP_END : STEP_MORE;
}

static enum step codec_step(
        struct codec *c, const uint8_t **in, size_t n, uint8_t **out, size_t room)
{
	const size_t most = (size_t)1 << 30;

	n = n < most ? n : most;
	room = room < most ? room : most;
	switch (c->comp) {
	case KERNEL_COMP_GZIP:
		return step_gzip(c, in, n, out, room);
	case KERNEL_COMP_BZIP2:
		return step_bzip2(c, in, n, out, room);
	case KERNEL_COMP_ZSTD:
		return step_zstd(c, in, n, out, room);
	default:
		return step_lzma(c, in, n, out, room);
	}
}

static int run_codec(struct codec *c, const uint8_t *in, size_t n, struct kernel_sink *s,
        size_t *used, struct err *e)
{
	const uint8_t *p = in, *end = in + n;

	for (;;) {
		uint8_t spare = 0, *to, *was_to;
		const uint8_t *was_p = p;
		size_t room = kernel_sink_room(s, 65536);
		enum step r;

		/* At the limit, one byte more tells a stream that ends here from a longer one. */
		was_to = to = room ? s->b.p + s->b.n : &spare;
		r = codec_step(c, &p, (size_t)(end - p), &to, room ? room : 1);
		if (!room && to != was_to)
			return kernel_comp_large(s->max, e);
		s->b.n += room ? (size_t)(to - was_to) : 0;
		*used = (size_t)(p - in);
		if (r == STEP_END)
			return 0;
		if (r == STEP_BAD)
			return kernel_comp_damaged(c->comp, *used, e);
		if (p == was_p && to == was_to)
			return p == end ? kernel_comp_short(c->comp, e)
			                : kernel_comp_damaged(c->comp, *used, e);
	}
}

int kernel_decompress(enum kernel_comp comp, const uint8_t *in, size_t n, size_t max,
        struct kernel_bytes *out, size_t *used, struct err *e)
{
	struct codec c = {.comp = comp};
	struct kernel_sink s = {.max = max};
	size_t took = 0;
	int r;

	if (comp == KERNEL_COMP_LZ4) {
		r = kernel_unlz4(in, n, &s, &took, e);
	} else if (comp == KERNEL_COMP_LZO) {
		r = kernel_unlzop(in, n, &s, &took, e);
	} else if (!codec_begin(&c)) {
		return err_set(
		        e, FCVM_EX_SYS, "cannot start the %s decoder", kernel_comp_name(comp));
	} else {
		r = run_codec(&c, in, n, &s, &took, e);
		codec_end(&c);
	}
	if (r < 0) {
		kernel_bytes_free(&s.b);
		return -1;
	}
	if (used)
		*used = took;
	*out = s.b;
	return 0;
}

size_t kernel_decompress_start(
        enum kernel_comp comp, const uint8_t *in, size_t n, uint8_t *out, size_t room)
{
	struct codec c = {.comp = comp};
	struct kernel_sink s = {.max = room};
	size_t used = 0;

	if (comp == KERNEL_COMP_LZ4 || comp == KERNEL_COMP_LZO || !codec_begin(&c))
		return 0;
	run_codec(
	        &c, in, n, &s, &used, NULL); /* its failure only says that there is more, or less */
	codec_end(&c);
	if (s.b.n)
		memcpy(out, s.b.p, s.b.n);
	free(s.b.p);
	return s.b.n;
}
