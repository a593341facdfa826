/* SPDX-License-Identifier: MIT
 * The guest's first file system: D/initrds/KEY/initrd, an uncompressed "newc" cpio archive (the
 * kernel's Documentation/driver-api/early-userspace/buffer-format.rst) of the agent as /init,
 * busybox, and the kernel's modules. The same inputs give the same bytes and the same KEY. */
#ifndef FCVM_KERNEL_INITRD_H
#define FCVM_KERNEL_INITRD_H

#include "err.h"

#include <jansson.h>

#define KERNEL_INITRD_STORE "initrds"

struct kernel_initrd {
	const char *kernel;  /* a directory that kernel_import() made */
	const char *agent;   /* static ELF program */
	const char *busybox; /* static ELF program, or NULL */
};

/* A new reference to {key, path, file, size}, or NULL with e filled and nothing left behind. */
json_t *kernel_initrd(const struct kernel_initrd *in, struct err *e);

#endif
