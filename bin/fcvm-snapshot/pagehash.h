/* SPDX-License-Identifier: MIT
 * The hash of a file that is mostly holes, which takes time for its data only: SHA-256 of each page
 * that is not all zeros, after its number (64 bits, little-endian), and of the file's size at the
 * end. So it does not depend on where the holes are. */
#ifndef FCVM_SNAPSHOT_PAGEHASH_H
#define FCVM_SNAPSHOT_PAGEHASH_H

#include "sha256.h"

#include <stdint.h>

struct pagehash; /* opaque; freed by pagehash_end() */

struct pagehash *pagehash_begin(void);
/* What the file has at `at`; in the order of the file, what is left out is zeros. */
void pagehash_add(struct pagehash *h, uint64_t at, const void *data, size_t n);
void pagehash_end(struct pagehash *h, uint64_t size, char hex[SHA256_HEX]);

#endif
