/* SPDX-License-Identifier: MIT */
#include "lstream.h"
#include "status.h"
#include "strv.h"

#include <archive.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CHUNK ((size_t)256 << 10)

struct lstream {
	int fd;
	off_t at;
	struct archive *filter; /* NULL: plain */
	int failed;             /* errno of a read(2) inside libarchive */
	char buf[CHUNK];
};

static ssize_t more(struct lstream *s)
{
	ssize_t n;

	do
		n = pread(s->fd, s->buf, CHUNK, s->at);
	while (n < 0 && errno == EINTR);
	if (n > 0)
		s->at += n;
	return n;
}

static la_ssize_t filter_read(struct archive *a, void *ctx, const void **out)
{
	struct lstream *s = ctx;
	ssize_t n = more(s);

	if (n < 0) {
		s->failed = errno;
		archive_set_error(a, errno, "read error");
	}
	*out = s->buf;
	return n;
}

static int filter_open(struct lstream *s, bool gzip, struct err *e)
{
	struct archive_entry *ent;
	struct archive *a = archive_read_new();
	int r;

	s->filter = a;
	if (!a)
		return err_set(e, FCVM_EX_SYS, "cannot start libarchive");
	if (gzip)
		archive_read_support_filter_gzip(a);
	else
		archive_read_support_filter_zstd(a);
	archive_read_support_format_raw(a);
	r = archive_read_open(a, s, NULL, filter_read, NULL);
	if (r == ARCHIVE_OK)
		r = archive_read_next_header(a, &ent);
	if (r == ARCHIVE_EOF)
		return err_set(e, FCVM_EX_DATA, "the compressed data is empty");
	if (r != ARCHIVE_OK)
		return err_set(e, FCVM_EX_DATA, "cannot decompress: %s", archive_error_string(a));
	return 0;
}

struct lstream *lstream_open(int fd, struct err *e)
{
	struct lstream *s = xcalloc(1, sizeof *s);
	unsigned char magic[4] = {0};
	bool gzip, zstd;

	s->fd = fd;
	if (pread(fd, magic, sizeof magic, 0) < 0) {
		err_sys(e, "cannot read");
		lstream_close(s);
		return NULL;
	}
	gzip = magic[0] == 0x1f && magic[1] == 0x8b;
	zstd = !memcmp(magic, "\x28\xb5\x2f\xfd", 4);
	if ((gzip || zstd) && filter_open(s, gzip, e) < 0) {
		lstream_close(s);
		return NULL;
	}
	return s;
}

void lstream_close(struct lstream *s)
{
	if (!s)
		return;
	if (s->filter)
		archive_read_free(s->filter);
	free(s);
}

ssize_t lstream_next(struct lstream *s, const void **block, struct err *e)
{
	la_int64_t at;
	size_t n = 0;
	int r;

	if (!s->filter) {
		ssize_t got = more(s);

		*block = s->buf;
		return got < 0 ? err_sys(e, "cannot read") : got;
	}
	do
		r = archive_read_data_block(s->filter, block, &n, &at);
	while (r == ARCHIVE_OK && n == 0);
	if (r == ARCHIVE_OK)
		return (ssize_t)n;
	if (r == ARCHIVE_EOF)
		return 0;
	if (s->failed) {
		errno = s->failed;
		return err_sys(e, "cannot read");
	}
	return err_set(e, FCVM_EX_DATA, "cannot decompress: %s", archive_error_string(s->filter));
}

bool lstream_plain(const struct lstream *s)
{
	return !s->filter;
}

uint64_t lstream_read(const struct lstream *s)
{
	return (uint64_t)s->at;
}
