/* SPDX-License-Identifier: MIT */
#include "ltar.h"
#include "ltar_pax.h"
#include "status.h"
#include "strv.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define BLOCK 512

/* The header as it lies in the archive. */
struct raw {
	char name[100], mode[8], uid[8], gid[8], size[12], mtime[12], chksum[8], type, link[100];
	char magic[6], version[2], uname[32], gname[32], major[8], minor[8], prefix[155], pad[12];
};
_Static_assert(sizeof(struct raw) == BLOCK, "a tar header is one block");

struct ltar {
	struct ltar_src src;
	const char *block; /* what is left of the source's current block */
	size_t left;
	uint64_t pos;  /* of block in the stream */
	uint64_t todo; /* bytes of content not yet handed out */
	unsigned pad;  /* bytes after the content */
	struct ltar_entry ent;
	struct ltar_pax pax;
	struct lbuf name, link, special;
	bool long_name, long_link;
};

struct ltar *ltar_open(const struct ltar_src *src)
{
	struct ltar *t = xcalloc(1, sizeof *t);

	t->src = *src;
	lbuf_set(&t->name, "(start)", 7); /* for messages, until there is one */
	lbuf_set(&t->link, "", 0);
	return t;
}

void ltar_close(struct ltar *t)
{
	if (!t)
		return;
	ltar_pax_free(&t->pax);
	lbuf_free(&t->name);
	lbuf_free(&t->link);
	lbuf_free(&t->special);
	free(t);
}

/* 1: there are bytes; 0: end; -1. */
static int fill(struct ltar *t, struct err *e)
{
	const void *block;
	ssize_t n;

	if (t->left)
		return 1;
	n = t->src.next(t->src.ctx, &block, e);
	if (n <= 0)
		return (int)n;
	t->block = block;
	t->left = (size_t)n;
	return 1;
}

static void advance(struct ltar *t, size_t n)
{
	t->block += n;
	t->left -= n;
	t->pos += n;
}

static int truncated(struct ltar *t, struct err *e)
{
	return err_set(e, FCVM_EX_DATA, "truncated in or after entry '%.300s'", t->name.p);
}

/* Fills out with n bytes. 1; 0 at a clean end (nothing read); -1. */
static int take(struct ltar *t, void *out, size_t n, struct err *e)
{
	size_t done = 0;

	while (done < n) {
		int r = fill(t, e);
		size_t step;

		if (r < 0)
			return -1;
		if (r == 0)
			return done ? truncated(t, e) : 0;
		step = t->left < n - done ? t->left : n - done;
		memcpy((char *)out + done, t->block, step);
		advance(t, step);
		done += step;
	}
	return 1;
}

static int skip(struct ltar *t, uint64_t n, bool may_end, struct err *e)
{
	while (n) {
		int r = fill(t, e);
		size_t step;

		if (r <= 0)
			return r < 0 ? -1 : may_end ? 0 : truncated(t, e);
		step = t->left < n ? t->left : (size_t)n;
		advance(t, step);
		n -= step;
	}
	return 0;
}

static int drain(struct ltar *t, struct err *e)
{
	int r;

	while ((r = fill(t, e)) > 0)
		t->left = 0;
	return r;
}

/* Octal text or, with the top bit set, a big-endian two's complement number (GNU, star). */
static int number(const char *f, size_t n, int64_t *out)
{
	const unsigned char *u = (const unsigned char *)f;
	uint64_t v = 0;

	if (u[0] & 0x80) {
		bool minus = u[0] & 0x40;

		v = minus ? ~(uint64_t)0 : 0;
		for (size_t i = 0; i < n; i++) {
			unsigned char c =
			        i ? u[i] : (unsigned char)(minus ? u[0] | 0x80 : u[0] & 0x7f);

			if ((v >> 55) != (minus ? 0x1ff : 0))
				return -1;
			v = v << 8 | c;
		}
		*out = (int64_t)v;
		return 0;
	}
	while (n && (*f == ' ' || !*f))
		f++, n--;
	while (n && (f[n - 1] == ' ' || !f[n - 1]))
		n--;
	n = strnlen(f, n);
	for (size_t i = 0; i < n; i++) {
		if (f[i] < '0' || f[i] > '7' || v >> 60)
			return -1;
		v = v << 3 | (unsigned)(f[i] - '0');
	}
	*out = (int64_t)v;
	return 0;
}

static bool checksum_ok(const struct raw *h)
{
	const unsigned char *u = (const unsigned char *)h;
	int64_t want, plain = 0, sign = 0;

	for (size_t i = 0; i < BLOCK; i++) {
		bool field = i >= 148 && i < 156;

		plain += field ? ' ' : u[i];
		sign += field ? ' ' : (signed char)u[i];
	}
	return number(h->chksum, sizeof h->chksum, &want) == 0 && (want == plain || want == sign);
}

/* 1: *h is a header; 0: end of archive (two zero blocks, or the end of the bytes); -1. */
static int read_header(struct ltar *t, struct raw *h, struct err *e)
{
	static const char zero[BLOCK];
	int r = take(t, h, BLOCK, e);

	if (r <= 0)
		return r;
	if (!memcmp(h, zero, BLOCK)) {
		r = take(t, h, BLOCK, e);
		if (r < 0)
			return -1;
		if (r == 1 && memcmp(h, zero, BLOCK) != 0)
			return err_set(e, FCVM_EX_DATA,
			        "data after the end mark, after entry '%.300s'", t->name.p);
		return drain(t, e);
	}
	if (!checksum_ok(h))
		return err_set(e, FCVM_EX_DATA, "not a tar header after entry '%.300s'", t->name.p);
	return 1;
}

/* The content of an 'x', 'L' or 'K' entry. */
static int read_special(struct ltar *t, const struct raw *h, struct err *e)
{
	int64_t size;
	char piece[4096];

	if (number(h->size, sizeof h->size, &size) < 0 || size < 0 ||
	        (uint64_t)size > LTAR_SPECIAL_MAX)
		return err_set(e, FCVM_EX_DATA, "extended header after entry '%.300s' is too large",
		        t->name.p);
	lbuf_set(&t->special, "", 0);
	for (size_t left = (size_t)size; left;) {
		size_t n = left < sizeof piece ? left : sizeof piece;
		int r = take(t, piece, n, e);

		if (r <= 0)
			return r < 0 ? -1 : truncated(t, e);
		lbuf_add(&t->special, piece, n);
		left -= n;
	}
	return skip(t, (uint64_t)-size & (BLOCK - 1), false, e);
}

static void field(struct lbuf *b, const char *f, size_t n)
{
	lbuf_set(b, f, strnlen(f, n));
}

static void read_names(struct ltar *t, const struct raw *h)
{
	bool ustar = !memcmp(h->magic, "ustar\0", 6) && !memcmp(h->version, "00", 2);

	if (!t->long_name) {
		lbuf_set(&t->name, "", 0);
		if (t->pax.has_path) {
			lbuf_set(&t->name, t->pax.path.p, t->pax.path.len);
		} else {
			/* star's own header kind has other things in the prefix's last bytes */
			size_t max = !memcmp(h->pad + 8, "tar", 4) ? 131 : sizeof h->prefix;

			if (ustar && h->prefix[0]) {
				field(&t->name, h->prefix, max);
				lbuf_add(&t->name, "/", 1);
			}
			lbuf_add(&t->name, h->name, strnlen(h->name, sizeof h->name));
		}
	}
	if (t->long_link)
		return;
	if (t->pax.has_link)
		lbuf_set(&t->link, t->pax.link.p, t->pax.link.len);
	else
		field(&t->link, h->link, sizeof h->link);
}

static int bad_field(struct ltar *t, const char *what, struct err *e)
{
	return err_set(e, FCVM_EX_DATA, "entry '%.300s': malformed %s", t->name.p, what);
}

static int id(const char *f, bool has, uint64_t pax, uint32_t *out)
{
	int64_t v;

	if (has)
		v = pax > INT64_MAX ? -1 : (int64_t)pax;
	else if (number(f, 8, &v) < 0)
		return -1;
	if (v < 0 || v > UINT32_MAX)
		return -1;
	*out = (uint32_t)v;
	return 0;
}

static int read_device(struct ltar *t, const struct raw *h, struct err *e)
{
	int64_t ma, mi;

	/* squashfs keeps 12 + 20 bits, as Linux does */
	if (number(h->major, 8, &ma) < 0 || number(h->minor, 8, &mi) < 0 || ma < 0 || mi < 0 ||
	        ma > 0xfff || mi > 0xfffff)
		return bad_field(t, "device number", e);
	t->ent.major = (uint32_t)ma;
	t->ent.minor = (uint32_t)mi;
	return 0;
}

static int read_fields(struct ltar *t, const struct raw *h, struct err *e)
{
	struct ltar_entry *n = &t->ent;
	int64_t mode, size;

	*n = (struct ltar_entry){.type = h->type ? h->type : '0'};
	if (!h->type && t->name.len && t->name.p[t->name.len - 1] == '/')
		n->type = '5';
	if (n->type < '0' || n->type > '6')
		return err_set(e, FCVM_EX_DATA, "entry '%.300s': unknown entry type 0x%02x",
		        t->name.p, (unsigned char)h->type);
	if (number(h->mode, 8, &mode) < 0)
		return bad_field(t, "mode", e);
	n->mode = (uint32_t)mode & 07777;
	if (id(h->uid, t->pax.has_uid, t->pax.uid, &n->uid) < 0 ||
	        id(h->gid, t->pax.has_gid, t->pax.gid, &n->gid) < 0)
		return bad_field(t, "owner", e);
	if (t->pax.has_mtime)
		n->mtime = t->pax.mtime;
	else if (number(h->mtime, sizeof h->mtime, &n->mtime) < 0)
		return bad_field(t, "time", e);
	if ((n->type == '3' || n->type == '4') && read_device(t, h, e) < 0)
		return -1;
	if (n->type == '0') {
		if (t->pax.sparse)
			return err_set(e, FCVM_EX_DATA,
			        "entry '%.300s': sparse tar entries are not supported", t->name.p);
		if (number(h->size, sizeof h->size, &size) < 0)
			size = -1;
		if (t->pax.has_size)
			size = t->pax.size > INT64_MAX ? -1 : (int64_t)t->pax.size;
		if (size < 0)
			return bad_field(t, "size", e);
		n->size = (uint64_t)size;
	}
	n->name = t->name.p;
	n->link = n->type == '1' || n->type == '2' ? t->link.p : "";
	n->xattrs = (const uint8_t *)t->pax.xattrs.p;
	n->xattrs_len = t->pax.xattrs.len;
	return 0;
}

/* Extended headers: 1 when this was one, and was taken in. */
static int special(struct ltar *t, const struct raw *h, struct err *e)
{
	bool name = h->type == 'L';

	if (h->type != 'x' && h->type != 'g' && !name && h->type != 'K')
		return 0;
	if (read_special(t, h, e) < 0)
		return -1;
	if (h->type == 'g') /* as podman: global headers change nothing */
		return 1;
	if (h->type == 'x') {
		ltar_pax_clear(&t->pax);
		if (ltar_pax_parse(&t->pax, t->special.p, t->special.len, e) < 0)
			return err_prefix(e, "after entry '%.300s'", t->name.p);
		return 1;
	}
	field(name ? &t->name : &t->link, t->special.p, t->special.len);
	*(name ? &t->long_name : &t->long_link) = true;
	return 1;
}

int ltar_next(struct ltar *t, const struct ltar_entry **out, struct err *e)
{
	struct raw h;
	int r;

	/* Some writers end after the last content (umoci insert), and other readers take that.
	 * Whether something was cut off, the digest knows. */
	if (skip(t, t->todo, false, e) < 0 || skip(t, t->pad, true, e) < 0)
		return -1;
	t->todo = t->pad = 0;
	ltar_pax_clear(&t->pax);
	t->long_name = t->long_link = false;
	do {
		r = read_header(t, &h, e);
		if (r <= 0)
			return r;
		r = special(t, &h, e);
	} while (r > 0);
	if (r < 0)
		return -1;
	read_names(t, &h);
	if (read_fields(t, &h, e) < 0)
		return -1;
	t->todo = t->ent.size;
	t->ent.offset = t->pos;
	t->pad = (unsigned)(-t->ent.size & (BLOCK - 1));
	*out = &t->ent;
	return 1;
}

int ltar_data(struct ltar *t, const void **data, size_t *n, struct err *e)
{
	int r;

	if (!t->todo)
		return 0;
	r = fill(t, e);
	if (r <= 0)
		return r < 0 ? -1 : truncated(t, e);
	*n = t->left < t->todo ? t->left : (size_t)t->todo;
	*data = t->block;
	advance(t, *n);
	t->todo -= *n;
	return 1;
}
