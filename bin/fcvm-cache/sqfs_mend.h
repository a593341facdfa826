/* SPDX-License-Identifier: MIT
 * tar2sqfs (squashfs-tools-ng up to 1.2 at least) keeps an lz4-compressed table even where lz4 made
 * it longer. The kernel reads that; unsquashfs(1) calls the file corrupt. */
#ifndef CACHE_SQFS_MEND_H
#define CACHE_SQFS_MEND_H

#include "err.h"

/* Stores such blocks of the id, fragment and attribute tables uncompressed, in their own place. fd
 * is open for reading and writing. 0, or -1 with e filled. */
int sqfs_mend(int fd, struct err *e);

#endif
