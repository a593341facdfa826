/* SPDX-License-Identifier: MIT */
#include "sha256.h"

#include <errno.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct sha256 {
	EVP_MD_CTX *ctx;
};

struct sha256 *sha256_begin(void)
{
	struct sha256 *h = malloc(sizeof *h);

	if (!h)
		abort();
	h->ctx = EVP_MD_CTX_new();
	if (!h->ctx || !EVP_DigestInit_ex(h->ctx, EVP_sha256(), NULL))
		abort();
	return h;
}

void sha256_add(struct sha256 *h, const void *data, size_t n)
{
	if (!EVP_DigestUpdate(h->ctx, data, n))
		abort();
}

void sha256_end(struct sha256 *h, char hex[SHA256_HEX])
{
	unsigned char raw[EVP_MAX_MD_SIZE];

	if (!EVP_DigestFinal_ex(h->ctx, raw, NULL))
		abort();
	for (int i = 0; i < 32; i++)
		snprintf(hex + (size_t)2 * i, 3, "%02x", raw[i]);
	EVP_MD_CTX_free(h->ctx);
	free(h);
}

void sha256_hex(const void *data, size_t n, char hex[SHA256_HEX])
{
	struct sha256 *h = sha256_begin();

	sha256_add(h, data, n);
	sha256_end(h, hex);
}

int sha256_fd(int fd, char hex[SHA256_HEX])
{
	struct sha256 *h = sha256_begin();
	char buf[65536];
	ssize_t n;

	while ((n = read(fd, buf, sizeof buf)) != 0) {
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			break;
		sha256_add(h, buf, (size_t)n);
	}
	n = n < 0 ? -errno : 0;
	sha256_end(h, hex);
	return (int)n;
}

const char *digest_hex(const char *digest)
{
	const char *hex;

	if (strncmp(digest, "sha256:", 7) != 0)
		return NULL;
	hex = digest + 7;
	return strspn(hex, "0123456789abcdef") == 64 && !hex[64] ? hex : NULL;
}
