/* SPDX-License-Identifier: MIT
 * What a server knows of its session, written down while the session is at rest (vs_rest.c), and a
 * session that goes on from there: in a clone of the machine, later, on files that others may have
 * changed. Numbers are little-endian. */
#ifndef FCVM_VS_SAVE_H
#define FCVM_VS_SAVE_H

#include "vs.h"

#define VS_SAVE_MAGIC   "FCVMVOLS"
#define VS_SAVE_VERSION 1
#define VS_SAVE_MAX     (1U << 30) /* bytes of what is saved of one volume */
#define VS_NODES_MAX    (1U << 22)
#define VS_HANDLES_MAX  (1U << 20)
#define VS_CONTENT_MAX  (64U << 20) /* bytes of all open files without a name */
#define VS_KEPT_MAX     (64U << 20)

/* --- vs_pack.c ------------------------------------------------------------------------------- */

struct vs_pack {
	char *data; /* malloc'd */
	size_t n, size;
	bool failed; /* no memory, or more than VS_SAVE_MAX */
};

void vs_put_bytes(struct vs_pack *p, const void *data, size_t n);
void vs_put_u32(struct vs_pack *p, uint32_t v);
void vs_put_u64(struct vs_pack *p, uint64_t v);
void vs_put_blob(struct vs_pack *p, const void *data, size_t n); /* its length first */
/* A number that is known later: where it is. */
size_t vs_put_gap(struct vs_pack *p);
void vs_fill_gap(struct vs_pack *p, size_t at, uint32_t v);

struct vs_unpack {
	const char *at;
	size_t left;
	bool bad; /* it ends too soon, or something in it cannot be */
};

uint32_t vs_get_u32(struct vs_unpack *u);
uint64_t vs_get_u64(struct vs_unpack *u);
/* A blob of at most max bytes inside of the data. */
const char *vs_get_blob(struct vs_unpack *u, size_t max, size_t *n);

/* --- vs_save.c, vs_load*.c ------------------------------------------------------------------- */

/* Writes the session that is at rest to fd from offset `at` on, while nothing of it moves: the
 * number of bytes, or -errno (-EBUSY: it is not at rest). */
ssize_t vs_save(struct vs *s, int fd, off_t at);

/* What of the saved session could not be had again. */
struct vs_loss {
	uint32_t files;     /* open, and no longer to be found: ESTALE */
	uint32_t too_large; /* of these, without a name, and larger than is saved */
	uint32_t locks;     /* others have them: whoever had the file open gets EIO */
};

/* Opens a session, and the next vs_serve() goes on with it: it rests, like the relay of the clone,
 * until that says GO. copied: the files are copies, known by their names alone. 0 or -errno
 * (-EBADMSG: the data is not what vs_save() wrote); then nothing is open. */
int vs_load(struct vs *s, const void *data, size_t n, bool copied, struct vs_loss *loss);

/* --- vs_save.c ------------------------------------------------------------------------------- */

struct vs_born { /* a file's birth, where the file system knows it: 0 otherwise */
	int64_t seconds;
	uint32_t nanoseconds;
};
enum { VS_COVERED = 1, VS_WATCHED = 2, VS_UNNAMED = 4 }; /* of a node that is saved */
enum { VS_DIR = 1, VS_KEEPS = 2 };                       /* of a handle */

/* --- vs_own.c, vs_locks_saved.c -------------------------------------------------------------- */

void vs_missing_save(struct vs *s, struct vs_pack *p); /* names that the guest knows as missing */
/* Of owners, and who waits. Under `out`. */
void vs_locks_save(struct vs *s, struct vs_pack *p);
/* The type of lock that flock(2) has put on it: F_RDLCK, F_WRLCK, or F_UNLCK. */
uint32_t vs_flock_of(const struct vs_handle *h);
/* false: another has a lock that excludes it. */
bool vs_flock_again(const struct vs_handle *h, uint32_t type);
void vs_locks_load(struct vs *s, struct vs_unpack *u, struct vs_loss *loss);

/* --- vs_load_nodes.c ------------------------------------------------------------------------- */

struct vs_was { /* of a node */
	enum { VS_UNSEEN, VS_SEEKING, VS_FOUND, VS_LOST } state;
	bool watched, unnamed;
	bool blind; /* was watched, and cannot be */
	struct vs_born born;
};

/* A session in the making. */
struct vs_loading {
	struct vs *s;
	struct vs_unpack u;
	bool copied;
	struct vs_loss *loss;
	dev_t dev;          /* of the root, then */
	struct vs_was *was; /* by id */
	uint32_t n_was;
	struct vs_pack inodes, names; /* what is to be called back; names may have to wait for a
	                                 directory, and come last */
};

void vs_load_nodes(struct vs_loading *l);
/* Where they are now: compares them with what the guest knows of them. */
void vs_find_nodes(struct vs_loading *l);
void vs_load_missing(struct vs_loading *l);
/* Looks for a node that is not in its place in the same directory, where it may have got another
 * name. Whether it is there; it is found from then on. */
bool vs_search(struct vs_loading *l, struct vs_node *n);
/* Calls back what a name stands for. */
void vs_call_back_name(struct vs_loading *l, uint64_t dir, const char *name);
/* One of a directory entry, or none. */
bool vs_good_name(const char *s, size_t n);
/* Whether the file is as old: a number of an inode may be another file's by now. */
bool vs_same_birth(const struct vs_born *born, const struct statx *x);
/* Makes the file fd, which has no name, the node's own, if that was not found; takes fd over. */
void vs_give_file(struct vs_loading *l, uint64_t id, int fd);

#endif
