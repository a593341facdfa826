/* SPDX-License-Identifier: MIT
 * Writes a tar stream for tar2sqfs: ustar headers, with pax records only where ustar has no room
 * (long names, big numbers, extended attributes). Names go out as the bytes they are. */
#ifndef CACHE_TAROUT_H
#define CACHE_TAROUT_H

#include "ltar.h"

#include <stddef.h>

struct tarout;

struct tarout *tarout_open(int fd); /* fd stays the caller's */
void tarout_close(struct tarout *o);

/* All return 0 or -errno. tarout_entry: n's name is ignored for `path`; type '1' takes `link`, a
 * path in the archive. A file's n->size bytes follow in tarout_data() calls. */
int tarout_entry(struct tarout *o, const char *path, const struct ltar_entry *n, char type,
        const char *link);
int tarout_data(struct tarout *o, const void *data, size_t n);
/* The same from a file; it must be long enough (else -EIO). */
int tarout_copy(struct tarout *o, int fd, uint64_t at, uint64_t n);
int tarout_pad(struct tarout *o, uint64_t size); /* after the last byte of a file of that size */
int tarout_end(struct tarout *o);

#endif
