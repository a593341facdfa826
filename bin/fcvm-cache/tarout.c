/* SPDX-License-Identifier: MIT */
#include "tarout.h"
#include "ltar_pax.h"
#include "strv.h"
#include "xio.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <unistd.h>

#define BUFFER ((size_t)256 << 10)

struct tarout {
	int fd;
	size_t n;
	struct lbuf pax;
	char buf[BUFFER];
};

struct tarout *tarout_open(int fd)
{
	struct tarout *o = xcalloc(1, sizeof *o);

	o->fd = fd;
	return o;
}

void tarout_close(struct tarout *o)
{
	if (!o)
		return;
	lbuf_free(&o->pax);
	free(o);
}

static int flush(struct tarout *o)
{
	int r = write_full(o->fd, o->buf, o->n);

	o->n = 0;
	return r;
}

int tarout_data(struct tarout *o, const void *data, size_t n)
{
	int r = 0;

	if (o->n + n > BUFFER)
		r = flush(o);
	if (!r && n >= BUFFER)
		return write_full(o->fd, data, n);
	if (!r && n) {
		memcpy(o->buf + o->n, data, n);
		o->n += n;
	}
	return r;
}

/* Large pieces go from the page cache to the pipe without a copy; small ones share a write. */
int tarout_copy(struct tarout *o, int fd, uint64_t at, uint64_t n)
{
	off_t pos = (off_t)at;
	int r = 0;

	if (n > BUFFER - o->n)
		r = flush(o);
	while (!r && n) {
		ssize_t got = n >= BUFFER ? sendfile(o->fd, fd, &pos, n)
		                          : pread(fd, o->buf + o->n, n, pos);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return got < 0 ? -errno : -EIO;
		if (n < BUFFER) {
			o->n += (size_t)got;
			pos += got;
			r = o->n == BUFFER ? flush(o) : 0;
		}
		n -= (uint64_t)got;
	}
	return r;
}

static int zeros(struct tarout *o, size_t n)
{
	static const char zero[1024];

	return tarout_data(o, zero, n);
}

int tarout_pad(struct tarout *o, uint64_t size)
{
	return zeros(o, (size_t)(-size & 511));
}

/* "LENGTH KEY=VALUE\n", where the length counts its own digits. */
static void pax_record(struct lbuf *b, const char *prefix, const char *key, const void *v, size_t n)
{
	size_t body = strlen(prefix) + strlen(key) + n + 3, len = body + 1, digits;
	char head[24];

	do {
		digits = (size_t)snprintf(head, sizeof head, "%zu ", len) - 1;
		if (len == body + digits)
			break;
		len = body + digits;
	} while (1);
	lbuf_add(b, head, digits + 1);
	lbuf_add(b, prefix, strlen(prefix));
	lbuf_add(b, key, strlen(key));
	lbuf_add(b, "=", 1);
	lbuf_add(b, v, n);
	lbuf_add(b, "\n", 1);
}

/* Octal if it fits in the field, else a pax record. */
static void number(struct lbuf *pax, char *f, size_t size, const char *key, uint64_t v)
{
	char text[24];

	if (v >> (3 * (size - 1))) {
		snprintf(text, sizeof text, "%llu", (unsigned long long)v);
		pax_record(pax, "", key, text, strlen(text));
		v = 0;
	}
	snprintf(text, sizeof text, "%0*llo", (int)size - 1, (unsigned long long)v);
	memcpy(f, text, size);
}

static void string(struct lbuf *pax, char *f, size_t size, const char *key, const char *v)
{
	size_t n = strlen(v);

	if (n > size)
		pax_record(pax, "", key, v, n);
	memcpy(f, v, n < size ? n : size);
}

static void finish(char *h, char type)
{
	unsigned sum = 0;
	char text[16];

	h[156] = type;
	memcpy(h + 257, "ustar\00000", 8);
	memset(h + 148, ' ', 8);
	for (int i = 0; i < 512; i++)
		sum += (unsigned char)h[i];
	snprintf(text, sizeof text, "%06o", sum);
	memcpy(h + 148, text, 7);
}

static int write_pax(struct tarout *o)
{
	char h[512] = "PaxHeader";
	int r;

	if (!o->pax.len)
		return 0;
	memcpy(h + 100, "0000644", 8);
	number(NULL, h + 124, 12, "size", o->pax.len); /* a few MB at most: always fits */
	finish(h, 'x');
	r = tarout_data(o, h, sizeof h);
	if (!r)
		r = tarout_data(o, o->pax.p, o->pax.len);
	return r ? r : tarout_pad(o, o->pax.len);
}

static void dev(char *f, unsigned v)
{
	char text[12];

	snprintf(text, sizeof text, "%07o", v & 07777777);
	memcpy(f, text, 8);
}

/* squashfs has user.*, trusted.* and security.*; of those, overlayfs' own would steer the guest's
 * root file system, and SELinux labels belong to the machine that made the image. */
static int kept(const char *name)
{
	return !strncmp(name, "user.", 5) ||
	       (!strncmp(name, "trusted.", 8) && strncmp(name, "trusted.overlay.", 16) != 0) ||
	       (!strncmp(name, "security.", 9) && strcmp(name, "security.selinux") != 0);
}

int tarout_entry(
        struct tarout *o, const char *path, const struct ltar_entry *n, char type, const char *link)
{
	char h[512] = {0};
	struct ltar_xattr x;
	size_t at = 0;
	int64_t mtime = n->mtime < 0 ? 0 : n->mtime > UINT32_MAX ? UINT32_MAX : n->mtime;
	int r;

	o->pax.len = 0;
	string(&o->pax, h, 100, "path", path);
	snprintf(h + 100, 8, "%07o", n->mode & 07777);
	number(&o->pax, h + 108, 8, "uid", n->uid);
	number(&o->pax, h + 116, 8, "gid", n->gid);
	number(&o->pax, h + 124, 12, "size", type == '0' ? n->size : 0);
	number(&o->pax, h + 136, 12, "mtime", (uint64_t)mtime);
	if (link)
		string(&o->pax, h + 157, 100, "linkpath", link);
	if (type == '3' || type == '4') {
		dev(h + 329, n->major);
		dev(h + 337, n->minor);
	}
	while (type != '1' && ltar_xattr(n->xattrs, n->xattrs_len, &at, &x))
		if (kept(x.name))
			pax_record(&o->pax, "SCHILY.xattr.", x.name, x.value, x.size);
	finish(h, type);
	r = write_pax(o);
	return r ? r : tarout_data(o, h, sizeof h);
}

int tarout_end(struct tarout *o)
{
	int r = zeros(o, 1024);

	return r ? r : flush(o);
}
