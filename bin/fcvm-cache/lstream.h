/* SPDX-License-Identifier: MIT
 * A layer blob as a stream of uncompressed bytes: plain, gzip (RFC 1952) or zstd (RFC 8878), told
 * apart by content, because docker-archive's manifests call plain tars gzip. */
#ifndef CACHE_LSTREAM_H
#define CACHE_LSTREAM_H

#include "err.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct lstream;

/* Reads fd from its start by pread(2); fd stays the caller's and may be shared by streams.
 * NULL with e filled. */
struct lstream *lstream_open(int fd, struct err *e);
void lstream_close(struct lstream *s);

/* The next uncompressed block, valid until the next call: its length, 0 at the end, -1 with e. */
ssize_t lstream_next(struct lstream *s, const void **block, struct err *e);

bool lstream_plain(const struct lstream *s);
/* Bytes of the blob read so far. */
uint64_t lstream_read(const struct lstream *s);

#endif
