/* SPDX-License-Identifier: MIT
 * A kernel file into the store: D/kernels/KEY/{vmlinux, modules/NN-name.ko, meta.json}, with NN the
 * loading order and KEY the hash of release, vmlinux and modules, however they were packed. */
#ifndef FCVM_KERNEL_IMPORT_H
#define FCVM_KERNEL_IMPORT_H

#include "err.h"
#include "strv.h"

#include <jansson.h>

#define KERNEL_STORE "kernels"

struct kernel_import {
	const char *file;
	const char *member;  /* of an archive; NULL: the only kernel in it */
	const char *modules; /* directory or package of modules; NULL: those of the file */
	const char *wanted;  /* as KERNEL_MODULES_WANTED */
};

/* A new reference to meta.json's contents with "key" and "path" added, or NULL with e filled and
 * nothing left behind. notes receives what the user should know though it is no failure. */
json_t *kernel_import(const struct kernel_import *in, struct strv *notes, struct err *e);

#endif
