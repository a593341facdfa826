/* SPDX-License-Identifier: MIT
 * The compressions that kernels, their packages and their modules come in. All input is untrusted:
 * output is bounded, and damage is told apart from an early end. */
#ifndef FCVM_KERNEL_DECOMPRESS_H
#define FCVM_KERNEL_DECOMPRESS_H

#include "bytes.h"
#include "err.h"

enum kernel_comp {
	KERNEL_COMP_NONE, /* not a compression known here */
	KERNEL_COMP_GZIP,
	KERNEL_COMP_BZIP2,
	KERNEL_COMP_LZMA, /* the .lzma file format, not raw LZMA */
	KERNEL_COMP_XZ,
	KERNEL_COMP_LZO, /* an lzop file */
	KERNEL_COMP_LZ4, /* the legacy frame, the one that Linux uses */
	KERNEL_COMP_ZSTD
};

/* "gzip" and so on; "none". */
const char *kernel_comp_name(enum kernel_comp c);

/* What the first bytes say. */
enum kernel_comp kernel_comp_sniff(const uint8_t *p, size_t n);

/* Unpacks one stream from the start of in to *out (the caller frees), at most max bytes. *used, if
 * not NULL, receives how much of the input the stream took. 0, or -1 with e filled (FCVM_EX_DATA).
 *
 * Linux appends the unpacked length in four little-endian bytes to every payload but gzip's; for
 * LZ4, whose legacy frame has no end mark, they are recognised and not counted as used. */
int kernel_decompress(enum kernel_comp c, const uint8_t *in, size_t n, size_t max,
        struct kernel_bytes *out, size_t *used, struct err *e);

/* Unpacks the first bytes only, as many as there are input and room for: how many. 0 for the
 * formats that come in blocks (LZ4, LZO). */
size_t kernel_decompress_start(
        enum kernel_comp c, const uint8_t *in, size_t n, uint8_t *out, size_t room);

/* The growing output of a decompressor. */
struct kernel_sink {
	struct kernel_bytes b; /* b.n: bytes written */
	size_t cap, max;
};

/* Makes room for `want` more bytes (at least one): the room there is then, or 0 at the limit. */
size_t kernel_sink_room(struct kernel_sink *s, size_t want);

/* In block.c: formats that are plain sequences of blocks. Same contract, output to the sink. */
int kernel_unlz4(const uint8_t *in, size_t n, struct kernel_sink *s, size_t *used, struct err *e);
int kernel_unlzop(const uint8_t *in, size_t n, struct kernel_sink *s, size_t *used, struct err *e);

/* In lzo.c: one LZO1X block of exactly out_n bytes. 0 or -1. Follows the description of the format
 * in the kernel's Documentation/staging/lzo.rst. */
int kernel_lzo1x(const uint8_t *in, size_t n, uint8_t *out, size_t out_n);

/* Their common failures; all return -1. */
int kernel_comp_short(enum kernel_comp c, struct err *e);
int kernel_comp_damaged(enum kernel_comp c, size_t at, struct err *e);
int kernel_comp_large(size_t max, struct err *e);

#endif
