/* SPDX-License-Identifier: MIT */
#include "ltar_pax.h"
#include "ltar.h"
#include "status.h"
#include "strv.h"

#include <stdlib.h>
#include <string.h>

#define XATTR_NAME_MAX_LEN  255
#define XATTR_VALUE_MAX_LEN 65536

static void grow(struct lbuf *b, size_t want)
{
	if (want + 1 <= b->cap)
		return;
	b->cap = want + 1 < 256 ? 256 : (want + 1) * 2;
	b->p = realloc(b->p, b->cap);
	if (!b->p)
		abort();
}

void lbuf_add(struct lbuf *b, const void *data, size_t n)
{
	grow(b, b->len + n);
	if (n)
		memcpy(b->p + b->len, data, n);
	b->len += n;
	b->p[b->len] = 0;
}

void lbuf_set(struct lbuf *b, const void *data, size_t n)
{
	b->len = 0;
	lbuf_add(b, data, n);
}

void lbuf_free(struct lbuf *b)
{
	free(b->p);
	*b = (struct lbuf){0};
}

void ltar_pax_clear(struct ltar_pax *p)
{
	struct lbuf path = p->path, link = p->link, xattrs = p->xattrs;

	*p = (struct ltar_pax){.path = path, .link = link, .xattrs = xattrs};
	p->path.len = p->link.len = p->xattrs.len = 0;
}

void ltar_pax_free(struct ltar_pax *p)
{
	lbuf_free(&p->path);
	lbuf_free(&p->link);
	lbuf_free(&p->xattrs);
}

/* Packed form: u32 name length, u32 value length (host order), name, NUL, value. */
static void xattr_pack(
        struct lbuf *b, const char *name, size_t nlen, const char *value, size_t vlen)
{
	uint32_t head[2] = {(uint32_t)nlen, (uint32_t)vlen};

	lbuf_add(b, head, sizeof head);
	lbuf_add(b, name, nlen);
	lbuf_add(b, "", 1);
	lbuf_add(b, value, vlen);
}

int ltar_xattr(const uint8_t *packed, size_t len, size_t *at, struct ltar_xattr *out)
{
	uint32_t head[2];

	if (len - *at < sizeof head)
		return 0;
	memcpy(head, packed + *at, sizeof head);
	out->name = (const char *)packed + *at + sizeof head;
	out->value = (const uint8_t *)out->name + head[0] + 1;
	out->size = head[1];
	*at += sizeof head + head[0] + 1 + head[1];
	return 1;
}

/* The last record of a name wins, and an empty one takes it away. */
static void xattr_drop(struct lbuf *b, const char *name, size_t nlen)
{
	struct ltar_xattr x;
	size_t at = 0, from = 0;

	while (ltar_xattr((const uint8_t *)b->p, b->len, &at, &x)) {
		if (strlen(x.name) == nlen && !memcmp(x.name, name, nlen)) {
			memmove(b->p + from, b->p + at, b->len - at);
			b->len -= at - from;
			return;
		}
		from = at;
	}
}

static int xattr_record(struct ltar_pax *p, const char *name, size_t nlen, const char *value,
        size_t vlen, struct err *e)
{
	if (!nlen || nlen > XATTR_NAME_MAX_LEN || memchr(name, 0, nlen))
		return err_set(e, FCVM_EX_DATA, "an extended attribute has a malformed name");
	if (vlen > XATTR_VALUE_MAX_LEN)
		return err_set(e, FCVM_EX_DATA, "extended attribute '%.*s' is larger than %d bytes",
		        (int)nlen, name, XATTR_VALUE_MAX_LEN);
	xattr_drop(&p->xattrs, name, nlen);
	xattr_pack(&p->xattrs, name, nlen, value, vlen);
	return 0;
}

static int decimal(const char *s, size_t n, uint64_t *out, struct err *e)
{
	uint64_t v = 0;

	for (size_t i = 0; i < n; i++) {
		unsigned digit = (unsigned)((unsigned char)s[i] - '0');

		if (digit > 9 || __builtin_mul_overflow(v, 10, &v) ||
		        __builtin_add_overflow(v, digit, &v))
			return err_set(
			        e, FCVM_EX_DATA, "an extended header has a malformed number");
	}
	if (!n)
		return err_set(e, FCVM_EX_DATA, "an extended header has an empty number");
	*out = v;
	return 0;
}

/* Seconds with an optional fraction, possibly negative; the fraction rounds down. */
static int seconds(const char *s, size_t n, int64_t *out, struct err *e)
{
	bool minus = n && *s == '-', part = false;
	const char *dot;
	uint64_t v;
	size_t whole;

	if (minus)
		s++, n--;
	dot = memchr(s, '.', n);
	whole = dot ? (size_t)(dot - s) : n;
	for (size_t i = whole + 1; i < n; i++) {
		if (s[i] < '0' || s[i] > '9')
			return err_set(e, FCVM_EX_DATA, "an extended header has a malformed time");
		part |= s[i] != '0';
	}
	if (decimal(s, whole, &v, e) < 0)
		return -1;
	if (v > INT64_MAX / 2)
		v = INT64_MAX / 2;
	*out = minus ? -(int64_t)v - part : (int64_t)v;
	return 0;
}

static int text(struct lbuf *b, bool *has, const char *v, size_t n, struct err *e)
{
	if (memchr(v, 0, n))
		return err_set(e, FCVM_EX_DATA, "a name holds a NUL byte");
	lbuf_set(b, v, n);
	*has = n > 0;
	return 0;
}

static int record(
        struct ltar_pax *p, const char *k, size_t kn, const char *v, size_t vn, struct err *e)
{
	static const char schily[] = "SCHILY.xattr.";
	static const char sparse[] = "GNU.sparse.";

#define KEY(name) (kn == sizeof(name) - 1 && !memcmp(k, name, kn))
	if (KEY("path"))
		return text(&p->path, &p->has_path, v, vn, e);
	if (KEY("linkpath"))
		return text(&p->link, &p->has_link, v, vn, e);
	if (KEY("size"))
		return vn ? (p->has_size = true, decimal(v, vn, &p->size, e)) : 0;
	if (KEY("uid"))
		return vn ? (p->has_uid = true, decimal(v, vn, &p->uid, e)) : 0;
	if (KEY("gid"))
		return vn ? (p->has_gid = true, decimal(v, vn, &p->gid, e)) : 0;
	if (KEY("mtime"))
		return vn ? (p->has_mtime = true, seconds(v, vn, &p->mtime, e)) : 0;
#undef KEY
	if (kn > sizeof schily - 1 && !memcmp(k, schily, sizeof schily - 1))
		return xattr_record(p, k + sizeof schily - 1, kn - (sizeof schily - 1), v, vn, e);
	if (kn > sizeof sparse - 1 && !memcmp(k, sparse, sizeof sparse - 1))
		p->sparse = true;
	return 0; /* others (comment, atime, LIBARCHIVE.*, …) say nothing that is kept */
}

int ltar_pax_parse(struct ltar_pax *p, const char *s, size_t n, struct err *e)
{
	while (n) {
		const char *space = memchr(s, ' ', n < 21 ? n : 21), *eq, *key;
		uint64_t len;

		if (!space || decimal(s, (size_t)(space - s), &len, e) < 0 || len > n ||
		        len < (size_t)(space - s) + 3 || s[len - 1] != '\n')
			return err_set(e, FCVM_EX_DATA, "an extended header is malformed");
		key = space + 1;
		eq = memchr(key, '=', (size_t)(s + len - key));
		if (!eq || eq == key)
			return err_set(e, FCVM_EX_DATA, "an extended header is malformed");
		if (record(p, key, (size_t)(eq - key), eq + 1, (size_t)(s + len - 1 - (eq + 1)),
		            e) < 0)
			return -1;
		s += len;
		n -= len;
	}
	return 0;
}
