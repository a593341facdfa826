/* SPDX-License-Identifier: MIT
 * Pass one over an image's layers: every layer is decompressed once, in parallel, its digests are
 * checked, and its entries go into the tree in order. */
#ifndef CACHE_INDEX_H
#define CACHE_INDEX_H

#include "err.h"
#include "ftree.h"

#include <stddef.h>
#include <stdint.h>

struct cache_layer {
	int fd;              /* the blob */
	const char *digest;  /* "sha256:…" of the blob */
	const char *diff_id; /* "sha256:…" of it uncompressed */
	uint64_t size;       /* of the blob, checked by whoever opened it */
	int plain;           /* set by index_layers(): fd if the blob is a plain tar, a temporary
	                        file with the uncompressed layer, or -1 */
};

/* Told now and then how far a piece of work is; total 0: not known. */
typedef void cache_tick(const char *what, uint64_t done, uint64_t total);

/* Fills the (initialised) tree. What is decompressed is kept in unnamed files in spool_dir as long
 * as that takes at most spool_max bytes: writing and reading them is cheaper than decompressing
 * again. The caller closes layers[].plain where it is neither -1 nor layers[].fd. 0, or -1 with e
 * filled: the layer's digest and the entry's name. */
int index_layers(struct ftree *t, struct cache_layer *layers, size_t n, const char *spool_dir,
        uint64_t spool_max, cache_tick *tick, struct err *e);

#endif
