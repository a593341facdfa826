/* SPDX-License-Identifier: MIT
 * SHA-256 as Nettle has it (FIPS 180-4), and digests as OCI writes them: "sha256:" + 64 hex. */
#ifndef FCVM_SHA256_H
#define FCVM_SHA256_H

#include <stdbool.h>
#include <stddef.h>

#define SHA256_HEX 65 /* 64 digits and the NUL */

struct sha256; /* opaque; freed by sha256_end() */

struct sha256 *sha256_begin(void);
void sha256_add(struct sha256 *h, const void *data, size_t n);
void sha256_end(struct sha256 *h, char hex[SHA256_HEX]);

void sha256_hex(const void *data, size_t n, char hex[SHA256_HEX]);
/* From the descriptor's current position to its end. 0 or -errno. */
int sha256_fd(int fd, char hex[SHA256_HEX]);

/* The 64 hex digits in "sha256:…", or NULL if it is not exactly that. */
const char *digest_hex(const char *digest);

#endif
