/* SPDX-License-Identifier: MIT
 * A content-addressed part of the data directory: one directory per key, complete or absent.
 *
 * Whoever adds an entry holds the store's lock from looking to renaming, so of several that make
 * the same entry one works and the others find it; a temporary directory seen under the lock was
 * left by a killed process and is swept. Readers take no lock. */
#ifndef FCVM_KERNEL_STORE_H
#define FCVM_KERNEL_STORE_H

#include "err.h"
#include "sha256.h"

#include <stdbool.h>

struct kernel_store {
	char *path; /* absolute, or as the user gave the data directory */
	int dirfd;
	int lock;     /* held while adding, else -1 */
	int tmpfd;    /* the entry being added, else -1 */
	char tmp[64]; /* its name, or empty */
	const char *key;
};

/* Opens DATA/sub, creating it. The caller closes with kernel_store_close(). */
int kernel_store_open(const char *sub, struct kernel_store *s, struct err *e);
void kernel_store_close(struct kernel_store *s); /* also gives up an entry being added */
#define auto_store __attribute__((cleanup(kernel_store_close)))
#define KERNEL_STORE_CLOSED                          \
	{                                            \
		.dirfd = -1, .lock = -1, .tmpfd = -1 \
	}

/* 64 lower-case hexadecimal digits. */
bool kernel_store_is_key(const char *name);

bool kernel_store_has(const struct kernel_store *s, const char *key);

/* Begins an entry (key is borrowed until the end). 1: it exists already; 0: fill s->tmpfd, then
 * commit; -1 with e filled. */
int kernel_store_begin(struct kernel_store *s, const char *key, struct err *e);
/* Writes a file of the entry (name may be "dir/file" once dir was made). */
int kernel_store_put(
        struct kernel_store *s, const char *name, const void *data, size_t n, struct err *e);
int kernel_store_commit(struct kernel_store *s, struct err *e);

/* Removes an entry: it is whole until it is gone. -1 with e filled, also if it is not there. */
int kernel_store_drop(struct kernel_store *s, const char *key, struct err *e);

#endif
