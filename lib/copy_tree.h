/* SPDX-License-Identifier: MIT
 * Copies the entries of one directory into another, with types, modes, owners, times, link targets
 * and files of several names, and without extended attributes. */
#ifndef FCVM_COPY_TREE_H
#define FCVM_COPY_TREE_H

#include "err.h"

/* Copies what the directory `from` (a descriptor, stays open) holds into the directory `to`. */
int copy_tree(int from, const char *to, struct err *e);
/* The same into an open one: 0 or -errno. */
int copy_tree_at(int from, int to);

#endif
