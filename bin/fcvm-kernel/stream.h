/* SPDX-License-Identifier: MIT
 * The entries of an archive, one after another. A Debian package is an archive in an archive; here
 * it looks like the inner one. */
#ifndef FCVM_KERNEL_STREAM_H
#define FCVM_KERNEL_STREAM_H

#include "bytes.h"
#include "err.h"

#include <stdbool.h>

struct kernel_stream;

struct kernel_entry {
	const char *path; /* without leading "./" and "/"; valid until the next entry */
	const char *link; /* target, if it is a symbolic or hard link */
	bool regular;
};

/* Kernel packages unpack to up to 1 GiB, those with debug symbols to 6. */
#define KERNEL_STREAM_MAX ((uint64_t)8 << 30)

/* max: bytes that all of it may unpack to, what is passed over included; looked at once for every
 * 64 KiB of the file. NULL with e filled: FCVM_EX_SYS if the file cannot be opened, else
 * FCVM_EX_DATA. */
struct kernel_stream *kernel_stream_open(const char *file, uint64_t max, struct err *e);

/* 1: *ent is the next entry; 0: the end; -1 with e filled, also for a path of PATH_MAX or more. */
int kernel_stream_next(struct kernel_stream *s, struct kernel_entry *ent, struct err *e);

/* The contents of the entry, at most max bytes, in *out (the caller frees). */
int kernel_stream_read(
        struct kernel_stream *s, size_t max, struct kernel_bytes *out, struct err *e);

void kernel_stream_close(struct kernel_stream *s);
static inline void kernel_stream_close_(struct kernel_stream **s)
{
	kernel_stream_close(*s);
}
#define auto_stream __attribute__((cleanup(kernel_stream_close_)))

#endif
