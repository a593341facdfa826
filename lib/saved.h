/* SPDX-License-Identifier: MIT
 * What stores of saved machines (templates.h, snapshots.h) have in common: directories that are
 * made under a random name while their maker holds a lock on them, and files that are known again
 * later without being read. */
#ifndef FCVM_SAVED_H
#define FCVM_SAVED_H

#include "err.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A file's size and time of change, by which saved_settle()d ones are known again: memory and disks
 * are too large to be read at every start. A new reference, or NULL. */
json_t *saved_stamp(int fd);
/* Whether the file has the hash that the document holds under the key; it is at its start then. */
bool saved_hash_is(int fd, const json_t *doc, const char *key);

/* Puts a complete file on the disk, with a time that no later change can have, however coarse the
 * clock of the file system is. 0 or -errno. */
int saved_settle(int fd);

/* A new directory of the store, prefix and random, locked as long as it is open. A descriptor, or
 * -1 with e filled ("cannot … WHAT in PATH"); name is "" if there is none. */
int saved_dir_new(int store, const char *prefix, char *name, size_t size, const char *what,
        const char *path, struct err *e);
/* Whether the maker of such a directory is dead. */
bool saved_is_abandoned(int store, const char *name);

bool saved_has_prefix(const char *name, const char *prefix);

/* The directory in which a saved machine has a copy of its volume i: a descriptor, or -1 with e
 * filled. The first makes it; with the second, dir cannot be removed as long as it is open. */
int saved_volume_new(int dir, size_t i, struct err *e);
int saved_volume(int dir, size_t i, struct err *e);

/* Removes a directory of the store, with files that containers have given to other ids, unless
 * somebody takes volumes out of it. 0 or -errno. */
int saved_drop(int store, const char *name);

/* Bytes on disk of the files in and below a directory; what has a name elsewhere counts there. */
uint64_t saved_bytes(int dir);

#endif
