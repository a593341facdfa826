/* SPDX-License-Identifier: MIT
 * A malloc'd run of bytes and its length, freed at the end of its scope. */
#ifndef FCVM_KERNEL_BYTES_H
#define FCVM_KERNEL_BYTES_H

#include "cleanup.h"

#include <stddef.h>
#include <stdint.h>

struct kernel_bytes {
	uint8_t *p;
	size_t n;
};

static inline void kernel_bytes_free(struct kernel_bytes *b)
{
	cleanup_free_(&b->p);
	b->p = NULL;
	b->n = 0;
}
#define auto_bytes __attribute__((cleanup(kernel_bytes_free)))

static inline uint16_t kernel_le16(const uint8_t *p)
{
	return (uint16_t)(p[0] | p[1] << 8);
}

static inline uint32_t kernel_le32(const uint8_t *p)
{
	return p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static inline uint32_t kernel_be32(const uint8_t *p)
{
	return p[3] | (uint32_t)p[2] << 8 | (uint32_t)p[1] << 16 | (uint32_t)p[0] << 24;
}

#endif
