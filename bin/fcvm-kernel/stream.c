/* SPDX-License-Identifier: MIT */
#include "stream.h"
#include "decompress.h"
#include "status.h"
#include "strv.h"
#include "xio.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <string.h>

#define ENTRIES_MAX 1000000

struct kernel_stream {
	struct archive *outer, *inner; /* inner: the data.tar of a Debian package */
	struct archive *a;             /* the one that entries come from */
	size_t entries;
	uint64_t max; /* unpacked bytes */
	bool over;    /* there are more */
	int fd;
	char block[65536];  /* of the file */
	char member[65536]; /* of the inner archive */
};

static int fail(const struct kernel_stream *s, struct err *e)
{
	const char *why = archive_error_string(s->a);

	if (s->over)
		return err_set(
		        e, FCVM_EX_DATA, "unpacks to more than %" PRIu64 " MiB", s->max >> 20);
	return err_set(e, FCVM_EX_DATA, "damaged, truncated or no archive: %s",
	        why ? why : "unknown format");
}

/* Named one by one: "all" has decoders that start other programs, and the cpio reader would take
 * gigabytes for a name that claims to be so long. */
static struct archive *reader(void)
{
	struct archive *a = archive_read_new();

	if (!a)
		abort();
	archive_read_support_filter_gzip(a);
	archive_read_support_filter_bzip2(a);
	archive_read_support_filter_xz(a);
	archive_read_support_filter_lzma(a);
	archive_read_support_filter_lz4(a);
	archive_read_support_filter_zstd(a);
	archive_read_support_format_tar(a);
	archive_read_support_format_ar(a);
	return a;
}

/* Asked for each block of input, so also in the middle of an entry that is passed over. */
static bool too_large(struct kernel_stream *s, struct archive *a)
{
	la_int64_t done = archive_filter_bytes(a, 0);

	if (done > 0 && (uint64_t)done > s->max)
		s->over = true;
	if (s->over)
		archive_set_error(a, EFBIG, "too large");
	return s->over;
}

static la_ssize_t read_outer(struct archive *a, void *ctx, const void **block)
{
	struct kernel_stream *s = ctx;
	ssize_t n;

	if (too_large(s, a))
		return ARCHIVE_FATAL;
	n = read_full(s->fd, s->block, sizeof s->block);
	if (n < 0)
		archive_set_error(a, (int)-n, "cannot read: %s", strerror((int)-n));
	*block = s->block;
	return n < 0 ? ARCHIVE_FATAL : n;
}

static la_ssize_t read_inner(struct archive *a, void *ctx, const void **block)
{
	struct kernel_stream *s = ctx;
	la_ssize_t n;

	if (too_large(s, a))
		return ARCHIVE_FATAL;
	n = archive_read_data(s->outer, s->member, sizeof s->member);
	if (n < 0)
		archive_set_error(a, EIO, "%s", archive_error_string(s->outer));
	*block = s->member;
	return n < 0 ? ARCHIVE_FATAL : n;
}

/* A Debian package is an ar archive whose member data.tar.* holds the files. */
static int open_inner(struct kernel_stream *s, struct archive_entry *ent, struct err *e)
{
	int r = ARCHIVE_OK;

	while (r == ARCHIVE_OK || r == ARCHIVE_WARN) {
		const char *name = archive_entry_pathname(ent);

		if (name && !strncmp(name, "data.tar", 8)) {
			s->inner = s->a = reader();
			if (archive_read_open(s->inner, s, NULL, read_inner, NULL) != ARCHIVE_OK)
				return fail(s, e);
			return 0;
		}
		r = archive_read_next_header(s->outer, &ent);
	}
	return r == ARCHIVE_EOF ? err_set(e, FCVM_EX_DATA, "a package without data.tar in it")
	                        : fail(s, e);
}

struct kernel_stream *kernel_stream_open(const char *file, uint64_t max, struct err *e)
{
	auto_stream struct kernel_stream *s = xcalloc(1, sizeof *s);

	s->max = max;
	s->fd = open(file, O_RDONLY | O_CLOEXEC);
	if (s->fd < 0) {
		err_sys(e, "cannot open");
		return NULL;
	}
	s->outer = s->a = reader();
	if (archive_read_open(s->outer, s, NULL, read_outer, NULL) != ARCHIVE_OK) {
		fail(s, e);
		return NULL;
	}
	return steal_ptr(s);
}

static const char *trim(const char *path)
{
	for (;;) {
		if (*path == '/')
			path++;
		else if (path[0] == '.' && path[1] == '/')
			path += 2;
		else
			return path;
	}
}

int kernel_stream_next(struct kernel_stream *s, struct kernel_entry *out, struct err *e)
{
	struct archive_entry *ent;
	const char *path, *link;
	int r;

	do {
		r = archive_read_next_header(s->a, &ent);
		if (r == ARCHIVE_EOF)
			return 0;
		if (r != ARCHIVE_OK && r != ARCHIVE_WARN)
			return fail(s, e);
		if (++s->entries > ENTRIES_MAX)
			return err_set(e, FCVM_EX_DATA, "more than %d entries", ENTRIES_MAX);
		if (!s->inner &&
		        (archive_format(s->a) & ARCHIVE_FORMAT_BASE_MASK) == ARCHIVE_FORMAT_AR) {
			if (open_inner(s, ent, e) < 0)
				return -1;
			path = NULL;
		} else {
			path = archive_entry_pathname(ent);
		}
	} while (!path); /* a name that cannot be read is none we look for */
	if (strnlen(path, PATH_MAX) == PATH_MAX)
		return err_set(
		        e, FCVM_EX_DATA, "a path in it is longer than %d bytes", PATH_MAX - 1);
	link = archive_entry_hardlink(ent);
	if (!link)
		link = archive_entry_symlink(ent);
	*out = (struct kernel_entry){.path = trim(path),
	        .link = link,
	        .regular = archive_entry_filetype(ent) == AE_IFREG && !link};
	return 1;
}

int kernel_stream_read(struct kernel_stream *s, size_t max, struct kernel_bytes *out, struct err *e)
{
	struct kernel_sink sink = {.max = max};

	for (;;) {
		char spare;
		size_t room = kernel_sink_room(&sink, 65536);
		la_ssize_t n = archive_read_data(
		        s->a, room ? (void *)(sink.b.p + sink.b.n) : &spare, room ? room : 1);

		if (n == 0)
			break;
		if (n < 0 || !room) {
			kernel_bytes_free(&sink.b);
			return n < 0 ? fail(s, e) : kernel_comp_large(max, e);
		}
		sink.b.n += (size_t)n;
	}
	*out = sink.b;
	out->p = realloc(sink.b.p, sink.b.n ? sink.b.n : 1); /* many are kept: no slack */
	if (!out->p)
		abort();
	return 0;
}

void kernel_stream_close(struct kernel_stream *s)
{
	if (!s)
		return;
	if (s->inner)
		archive_read_free(s->inner);
	if (s->outer)
		archive_read_free(s->outer);
	cleanup_fd_(&s->fd);
	free(s);
}
