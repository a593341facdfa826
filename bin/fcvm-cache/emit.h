/* SPDX-License-Identifier: MIT
 * Pass two: the tree and the contents that survived, as one tar stream. */
#ifndef CACHE_EMIT_H
#define CACHE_EMIT_H

#include "index.h"

/* Writes to fd. 0, or -1 with e filled; a reader of fd that went away is -1 with e's text empty
 * (whoever runs it knows why). */
int emit_tree(struct ftree *t, const struct cache_layer *layers, size_t n, int fd, cache_tick *tick,
        struct err *e);

#endif
