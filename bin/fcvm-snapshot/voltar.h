/* SPDX-License-Identifier: MIT
 * The files of a volume as a tar stream, and back: names as bytes, types, modes, times of change,
 * holes, hard links, extended attributes, and owners as numbers, which are those that the container
 * sees. Such a stream has the top first, as "./", and each directory before what is in it, with
 * nothing else in between. */
#ifndef FCVM_SNAPSHOT_VOLTAR_H
#define FCVM_SNAPSHOT_VOLTAR_H

#include "err.h"

#include <stdbool.h>
#include <stdint.h>

#define VOLTAR_NAME_MAX  65535         /* bytes of a path below the top */
#define VOLTAR_DEPTH_MAX 1000          /* directories below each other, each of them open */
#define VOLTAR_SOCKET    "fcvm.socket" /* tar knows no sockets: an empty file with this attribute */

/* What a stream may be unpacked to. */
struct voltar_room {
	uint64_t bytes;   /* on the disk, that are left */
	uint64_t entries; /* out: files of all types that there were */
	bool over;        /* out: it had more, and was refused for that */
};

/* Writes the directory top and all below it to fd; -1: nowhere, to know the size alone, which reads
 * no files. *size: the bytes of the stream. 0, or -1 with e filled. */
int voltar_write(int top, int fd, uint64_t *size, struct err *e);

/* Reads such a stream, whose maker is not to be trusted, from fd to its end into the empty
 * directory top, which becomes the stream's. Nothing gets outside of it. 0, or -1 with e filled:
 * FCVM_EX_DATA the stream is refused, and what of it; what was made stays. */
int voltar_read(int fd, int top, struct voltar_room *room, struct err *e);

/* --- voltar_child.c: the same in a child that has the ids of the container -------------------- */

enum voltar_work { VOLTAR_SIZE, VOLTAR_WRITE, VOLTAR_READ };

struct voltar; /* opaque; freed by voltar_end() */

/* Begins with the directory `dir` of a saved volume (saved_volume()), which stays the caller's.
 * NULL with e filled. room: of VOLTAR_READ, else NULL; borrowed until voltar_end(), which fills it.
 * SIGPIPE must be ignored. */
struct voltar *voltar_start(
        int dir, enum voltar_work work, struct voltar_room *room, struct err *e);
/* What the stream is read from or written to; -1 with VOLTAR_SIZE. */
int voltar_fd(const struct voltar *v);
/* Closes that and waits: 0, or -1 with e filled. size: of what was written; may be NULL. */
int voltar_end(struct voltar *v, uint64_t *size, struct err *e);

#endif
