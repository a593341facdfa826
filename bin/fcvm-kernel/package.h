/* SPDX-License-Identifier: MIT
 * Kernels as distributions pack them: a Debian package or any tar archive that holds one
 * kernel image and perhaps its modules. Read as a stream; nothing is unpacked to disk. */
#ifndef FCVM_KERNEL_PACKAGE_H
#define FCVM_KERNEL_PACKAGE_H

#include "modules.h"

struct kernel_package {
	struct kernel_bytes image; /* the kernel as found; p NULL when there is none */
	char *image_path;          /* its path inside */
	struct kmodset mods;       /* paths are those inside the archive */
	char *dep;                 /* text of modules.dep, or NULL */
	char *builtin;             /* text of modules.builtin, or NULL */
	size_t entries;
};

/* Whether the bytes at the start of a file look like an archive or package. */
bool kernel_package_is(const uint8_t *p, size_t n);

/* Goes through the archive once. member: the path of the kernel image inside, NULL: the only one
 * there is. Modules are known by name and by what they need; as many as fit in 128 MiB are kept in
 * memory. 0, or -1 with e filled: FCVM_EX_DATA, or FCVM_EX_SYS if the file cannot be read. */
int kernel_package_read(
        const char *file, const char *member, struct kernel_package *pkg, struct err *e);

/* Loads those of the list that were not kept. */
int kernel_package_fill(const char *file, const struct kmodlist *list, struct err *e);

void kernel_package_free(struct kernel_package *pkg);
#define auto_package __attribute__((cleanup(kernel_package_free)))

#endif
