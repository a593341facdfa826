/* SPDX-License-Identifier: MIT
 * Packs files in memory as a cpio archive in memory. */
#ifndef FCVM_KERNEL_CPIO_H
#define FCVM_KERNEL_CPIO_H

#include "bytes.h"
#include "err.h"

struct kernel_file {
	const char *path; /* relative; its parents come before it in the list */
	unsigned mode;    /* with the type: S_IFDIR or S_IFREG */
	const void *data;
	size_t n;
};

/* Owner root, times zero, inode numbers by position: the same list gives the same bytes. *out is
 * the caller's to free. */
int kernel_cpio_pack(
        const struct kernel_file *files, size_t n, struct kernel_bytes *out, struct err *e);

#endif
