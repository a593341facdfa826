/* SPDX-License-Identifier: MIT
 * A reader of layer tars: POSIX ustar and pax (IEEE 1003.1-2008, pax "Extended header"), GNU long
 * names and base-256 numbers, with the reading of Go's archive/tar, which made and unpacks nearly
 * every image there is. Names are bytes: they are neither decoded nor normalised (libarchive's
 * reader turns decomposed UTF-8 names into other bytes, which is why it is not used here).
 * Everything read is untrusted; each length is bounded. */
#ifndef CACHE_LTAR_H
#define CACHE_LTAR_H

#include "err.h"

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Where the bytes come from: the next block of any size, valid until the next call. Returns its
 * length, 0 at the end, -1 with e filled. */
struct ltar_src {
	ssize_t (*next)(void *ctx, const void **block, struct err *e);
	void *ctx;
};

struct ltar_entry {
	char type;        /* '0' file, '1' hard link, '2' symlink, '3' char, '4' block, '5'
	                     directory, '6' fifo */
	const char *name; /* as it stands in the archive */
	const char *link; /* target of a hard or symbolic link */
	uint32_t mode;    /* permission bits only */
	uint32_t uid, gid;
	uint32_t major, minor;
	int64_t mtime;         /* seconds, rounded down */
	uint64_t size;         /* bytes of content; 0 for all but files */
	uint64_t offset;       /* of the content in the stream */
	const uint8_t *xattrs; /* packed, see ltar_xattr() */
	size_t xattrs_len;
};

struct ltar;

struct ltar *ltar_open(const struct ltar_src *src);
void ltar_close(struct ltar *t);

/* 1: *out is the next entry, borrowed until the next call; 0: end of the archive, and the source
 * was read to its end; -1: e filled (FCVM_EX_DATA and the entry's name). */
int ltar_next(struct ltar *t, const struct ltar_entry **out, struct err *e);

/* A piece of the current file's content: 1, 0 when there is no more, -1 with e filled. */
int ltar_data(struct ltar *t, const void **data, size_t *n, struct err *e);

struct ltar_xattr {
	const char *name; /* with its prefix, NUL-terminated */
	const uint8_t *value;
	size_t size;
};

/* Steps through packed attributes; *at starts at 0. Returns 1 or, at the end, 0. */
int ltar_xattr(const uint8_t *packed, size_t len, size_t *at, struct ltar_xattr *out);

#endif
