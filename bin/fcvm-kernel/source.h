/* SPDX-License-Identifier: MIT
 * A file that a user names as a kernel: what it is, and the kernel inside. */
#ifndef FCVM_KERNEL_SOURCE_H
#define FCVM_KERNEL_SOURCE_H

#include "image.h"
#include "package.h"

struct kernel_source {
	uint64_t size;             /* of the file */
	bool packed;               /* an archive or package: pkg is filled */
	struct kernel_package pkg; /* its image is given back once it is unpacked */
	struct kernel_image image; /* elf.p NULL: a package of modules without a kernel */
};

/* Reads and unpacks; member as in kernel_package_read(). With `whole` false, a package without a
 * kernel is accepted. -1 with e filled; its text begins with the file's name. */
int kernel_source_read(
        const char *file, const char *member, bool whole, struct kernel_source *out, struct err *e);

void kernel_source_free(struct kernel_source *s);
#define auto_source __attribute__((cleanup(kernel_source_free)))

#endif
