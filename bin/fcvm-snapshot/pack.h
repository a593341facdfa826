/* SPDX-License-Identifier: MIT
 * A snapshot as one file: a tar archive compressed with zstd that tar(1) can unpack, too. Its
 * members are those of pack_names, in that order and no others; state and memory are missing where
 * only the disk was saved, and volumes, behind which come those of pack_volumes.h, without any. The
 * last one has the size and the hash (pagehash.h) of each. Holes stay holes (tarfile.h). */
#ifndef FCVM_SNAPSHOT_PACK_H
#define FCVM_SNAPSHOT_PACK_H

#include "err.h"
#include "snapshots.h"

#include <stdint.h>

#define PACK_FORMAT 1

enum pack_member {
	PACK_META,
	PACK_PLAN,
	PACK_STATE,
	PACK_ROOT,
	PACK_SCRATCH,
	PACK_MEMORY,
	PACK_VOLUMES,
	PACK_MANIFEST,
	PACK_MEMBERS
};
extern const char *const pack_names[PACK_MEMBERS];

/* The descriptor of the file that holds a member; NULL: it is a document. */
int *pack_file(struct snapshot_files *f, enum pack_member m);

/* The next part of a file with data from `at` on; false: there is none. All such bytes of it. */
bool pack_extent(int fd, uint64_t at, uint64_t *from, uint64_t *to);
uint64_t pack_data_bytes(int fd); /* -1: none */

/* Called now and then; total: bytes of what is read, 0 if that is not known. */
typedef void pack_tick(uint64_t done, uint64_t total);

/* Writes the archive to fd from where that is; volumes have passed pack_volumes_own(). SIGPIPE must
 * be ignored if there are any. 0, or -1 with e filled. */
int pack_write(struct snapshot *s, const char *tag, int fd, pack_tick *tick, struct err *e);

struct pack_in {
	struct snapshot_files files; /* empty, and open for writing: what they get */
	int dir;                     /* where saved_volume_new() makes its volumes */
	uint64_t limit;              /* bytes that it may unpack to */
	pack_tick *tick;
	char *tag; /* out, malloc'd: the tag it had */
	json_t *meta, *plan;
};
/* Reads one whose maker is not to be trusted; an uncompressed one is taken as well. SIGPIPE must be
 * ignored. 0, or -1 with e filled: FCVM_EX_DATA it is refused, and what of it. pack_in_free() ends
 * it in any case. */
int pack_read(int fd, struct pack_in *in, struct err *e);
void pack_in_free(struct pack_in *in); /* not the files */

#endif
