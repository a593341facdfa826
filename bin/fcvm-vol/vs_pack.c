/* SPDX-License-Identifier: MIT */
#include "vs_save.h"

#include <endian.h>
#include <stdlib.h>
#include <string.h>

void vs_put_bytes(struct vs_pack *p, const void *data, size_t n)
{
	if (p->failed || n > VS_SAVE_MAX - p->n) {
		p->failed = true;
		return;
	}
	if (p->n + n > p->size) {
		size_t size = (p->n + n) * 2 + 4096;
		char *more = realloc(p->data, size);

		if (!more) {
			p->failed = true;
			return;
		}
		p->data = more;
		p->size = size;
	}
	if (n)
		memcpy(p->data + p->n, data, n);
	p->n += n;
}

void vs_put_u32(struct vs_pack *p, uint32_t v)
{
	v = htole32(v);
	vs_put_bytes(p, &v, sizeof v);
}

void vs_put_u64(struct vs_pack *p, uint64_t v)
{
	v = htole64(v);
	vs_put_bytes(p, &v, sizeof v);
}

void vs_put_blob(struct vs_pack *p, const void *data, size_t n)
{
	vs_put_u32(p, (uint32_t)n);
	vs_put_bytes(p, data, n);
}

size_t vs_put_gap(struct vs_pack *p)
{
	vs_put_u32(p, 0);
	return p->n - 4;
}

void vs_fill_gap(struct vs_pack *p, size_t at, uint32_t v)
{
	v = htole32(v);
	if (!p->failed)
		memcpy(p->data + at, &v, sizeof v);
}

static bool take(struct vs_unpack *u, void *to, size_t n)
{
	if (u->bad || u->left < n) {
		u->bad = true;
		memset(to, 0, n);
		return false;
	}
	memcpy(to, u->at, n);
	u->at += n;
	u->left -= n;
	return true;
}

uint32_t vs_get_u32(struct vs_unpack *u)
{
	uint32_t v;

	take(u, &v, sizeof v);
	return le32toh(v);
}

uint64_t vs_get_u64(struct vs_unpack *u)
{
	uint64_t v;

	take(u, &v, sizeof v);
	return le64toh(v);
}

const char *vs_get_blob(struct vs_unpack *u, size_t max, size_t *n)
{
	const char *at;

	*n = vs_get_u32(u);
	if (u->bad || *n > u->left || *n > max) {
		u->bad = true;
		*n = 0;
		return NULL;
	}
	at = u->at;
	u->at += *n;
	u->left -= *n;
	return at;
}
