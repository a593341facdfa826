/* SPDX-License-Identifier: MIT */
#include "sha256.h"

#include <errno.h>
#include <nettle/sha2.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct sha256 {
	struct sha256_ctx ctx;
};

struct sha256 *sha256_begin(void)
{
	struct sha256 *h = malloc(sizeof *h);

	if (!h)
		abort();
	sha256_init(&h->ctx);
	return h;
}

void sha256_add(struct sha256 *h, const void *data, size_t n)
{
	sha256_update(&h->ctx, n, data);
}

void sha256_end(struct sha256 *h, char hex[SHA256_HEX])
{
	static const char digits[] = "0123456789abcdef";
	uint8_t raw[SHA256_DIGEST_SIZE];

	sha256_digest(&h->ctx, sizeof raw, raw);
	for (size_t i = 0; i < sizeof raw; i++) {
		hex[2 * i] = digits[raw[i] >> 4];
		hex[2 * i + 1] = digits[raw[i] & 15];
	}
	hex[2 * sizeof raw] = 0;
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
