/* SPDX-License-Identifier: MIT
 * Modules from a directory such as /lib/modules/RELEASE. */
#ifndef FCVM_KERNEL_TREE_H
#define FCVM_KERNEL_TREE_H

#include "modules.h"

/* Fills the set from the directory: its own modules, or those of the only directory in its
 * lib/modules. Symbolic links are not followed. *dirfd (the caller closes) is what module paths
 * are relative to. 0, or -1 with e filled. */
int kernel_tree_read(const char *dir, struct kmodset *set, int *dirfd, struct err *e);

/* Reads m->data; ctx points at the dirfd. For struct kmod_loader. */
int kernel_tree_load(void *ctx, struct kmod *m, struct err *e);

#endif
