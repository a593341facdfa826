/* SPDX-License-Identifier: MIT
 * What a machine is made of: the guest kernel and initrd that fcvm-setup chose, the image's root
 * file system, and a fresh scratch disk. */
#ifndef FCVM_ASSETS_H
#define FCVM_ASSETS_H

#include "err.h"

#include <jansson.h>
#include <stdint.h>

struct assets {
	char *kernel, *initrd; /* paths */
	char *accel;           /* the accelerator that setup found working */
	char *append;          /* kernel arguments of the kernel's profile, perhaps empty */
	json_t *about;         /* {"key", "profile", "release"} of the kernel, for people */
};

/* Reads setup.json of the data directory. Without it: the sentence that says what to do. */
int assets_load(const char *data_dir, struct assets *a, struct err *e);
void assets_free(struct assets *a);

/* The image's root file system, opened for reading, and a shared lock that keeps fcvm-cache from
 * removing the image (lock descriptor in *lock). */
int assets_image(const char *image_dir, int *root, int *lock, struct err *e);

/* An unlinked, sparse, freshly formatted ext4 disk of this many bytes, opened read-write. Formatted
 * once a size and copied from then on. */
int assets_scratch(const char *data_dir, uint64_t bytes, int *fd, struct err *e);
/* An empty file for a disk. */
int assets_scratch_empty(const char *data_dir, int *fd, struct err *e);
/* The same with the contents of a disk that is there. */
int assets_scratch_like(const char *data_dir, int from, int *fd, struct err *e);

#endif
