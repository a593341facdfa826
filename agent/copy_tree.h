/* SPDX-License-Identifier: MIT
 * Copies the entries of one directory into another, with types, modes, owners, times and link
 * targets: what the tmpcopyup mount option asks for. */
#ifndef FCVM_COPY_TREE_H
#define FCVM_COPY_TREE_H

#include "err.h"

/* Copies what the directory `from` (a descriptor, stays open) holds into the directory `to`. */
int copy_tree(int from, const char *to, struct err *e);

#endif
