/* SPDX-License-Identifier: MIT
 * Layers in, one squashfs image out; no root rights, nothing unpacked. */
#ifndef CACHE_FLATTEN_H
#define CACHE_FLATTEN_H

#include "index.h"

struct flatten_limits {
	uint64_t max_entries, max_bytes;
};
#define FLATTEN_LIMITS_DEFAULT                                          \
	{                                                               \
		.max_entries = 4000000, .max_bytes = (uint64_t)64 << 30 \
	}

/* Writes `path` (which must not exist; temporary data goes beside it, into `dir`). 0, or -1 with e
 * filled; the file may then be half-made. */
int flatten_layers(struct cache_layer *layers, size_t n, const struct flatten_limits *limits,
        const char *dir, const char *path, cache_tick *tick, struct err *e);

#endif
