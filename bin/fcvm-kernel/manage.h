/* SPDX-License-Identifier: MIT
 * Choosing among imported kernels, and removing one. A kernel is named by its key, by the beginning
 * of it that no other has, or by a profile that it came from. */
#ifndef FCVM_KERNEL_MANAGE_H
#define FCVM_KERNEL_MANAGE_H

#include "err.h"

/* Removes it and prints its key. -1 with e filled: FCVM_EX_BUSY if VMs use it or a set-up is at
 * work, FCVM_EX_NOTFOUND if there is none. */
int kernel_remove(const char *name, struct err *e);

/* Becomes fcvm-setup, which makes VMs use it. Returns -1 with e filled if that cannot be. */
int kernel_use(const char *name, struct err *e);

#endif
