/* SPDX-License-Identifier: MIT
 * What a kernel module says about itself in its .modinfo section. */
#ifndef FCVM_KERNEL_MODINFO_H
#define FCVM_KERNEL_MODINFO_H

#include "bytes.h"
#include "err.h"
#include "machine.h"

#define KERNEL_MODULE_MAX ((size_t)64 << 20) /* bytes of one module, unpacked */

struct kernel_modinfo {
	char *depends;                     /* names separated by commas; the caller frees */
	char release[KERNEL_RELEASE_SIZE]; /* first word of vermagic; empty if there is none */
};

/* Unpacks a .ko as found (plain, xz, zstd, gzip) in place: *ko is replaced. */
int kernel_module_unpack(struct kernel_bytes *ko, struct err *e);

/* 0, or -1 with e filled (FCVM_EX_DATA): not a module, of another machine, or damaged. */
int kernel_modinfo_read(const uint8_t *p, size_t n, struct kernel_modinfo *out, struct err *e);

#endif
