/* SPDX-License-Identifier: MIT
 * A kernel image in memory, in whatever dress it comes, to the ELF file inside. */
#ifndef FCVM_KERNEL_IMAGE_H
#define FCVM_KERNEL_IMAGE_H

#include "decompress.h"
#include "machine.h"

#define KERNEL_IMAGE_MAX ((size_t)512 << 20)

struct kernel_image {
	struct kernel_bytes elf;           /* the image owns it: kernel_image_free() */
	const char *format;                /* "bzImage" or "vmlinux" */
	enum kernel_comp comp;             /* of the payload, or of the whole vmlinux */
	char release[KERNEL_RELEASE_SIZE]; /* "6.1.0-…"; empty if it could not be found */
	bool direct;                       /* has the note that direct (PVH) boot needs */
};

/* Whether the bytes look like something kernel_image_unpack() takes. */
bool kernel_image_is(const uint8_t *p, size_t n);

/* Unpacks a bzImage, a vmlinux, or either of them compressed whole; at most max bytes. 0, or -1
 * with e filled (FCVM_EX_DATA). */
int kernel_image_unpack(
        const uint8_t *p, size_t n, size_t max, struct kernel_image *out, struct err *e);

static inline void kernel_image_free(struct kernel_image *img)
{
	kernel_bytes_free(&img->elf);
}
#define auto_image __attribute__((cleanup(kernel_image_free)))

#endif
