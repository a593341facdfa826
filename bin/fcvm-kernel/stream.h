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

/* NULL with e filled: FCVM_EX_SYS if the file cannot be read, else FCVM_EX_DATA. */
struct kernel_stream *kernel_stream_open(const char *file, struct err *e);

/* 1: *ent is the next entry; 0: the end; -1 with e filled. */
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
