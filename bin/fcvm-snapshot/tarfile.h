/* SPDX-License-Identifier: MIT
 * Files as members of tar archives: what is a hole in one is a hole in the other (pax, GNU.sparse
 * 1.0). */
#ifndef FCVM_SNAPSHOT_TARFILE_H
#define FCVM_SNAPSHOT_TARFILE_H

#include "err.h"

#include <archive.h>
#include <archive_entry.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TARFILE_CHUNK ((size_t)1 << 20)

/* Of one archive that is written. The caller owns what it points to. */
struct tarfile {
	struct archive *a;
	char *buf;         /* TARFILE_CHUNK bytes */
	const char *zeros; /* as many */
	bool blank;        /* zeros are written instead of what files have: they are not read */
	/* Called for each part that is no hole; may be NULL. */
	void (*data)(void *ctx, uint64_t at, const void *p, size_t n);
	void *ctx;
};

/* Writes the file fd as the member that x describes but for its size. name: for errors. 0, or -1
 * with e filled. */
int tarfile_put(
        const struct tarfile *t, struct archive_entry *x, int fd, const char *name, struct err *e);
/* n bytes of the member that is being written. Likewise. */
int tarfile_data(const struct tarfile *t, const void *data, size_t n, struct err *e);
/* Fills e with what libarchive says, and returns -1. */
int tarfile_failed(struct archive *a, struct err *e);

#endif
