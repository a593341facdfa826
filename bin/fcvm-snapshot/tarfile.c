/* SPDX-License-Identifier: MIT */
#include "tarfile.h"
#include "pack.h"
#include "status.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

int tarfile_failed(struct archive *a, struct err *e)
{
	const char *why = archive_error_string(a);

	return err_set(e, FCVM_EX_SYS, "cannot write the archive: %s", why ? why : "out of memory");
}

int tarfile_data(const struct tarfile *t, const void *data, size_t n, struct err *e)
{
	return archive_write_data(t->a, data, n) == (la_ssize_t)n ? 0 : tarfile_failed(t->a, e);
}

/* The archive's writer takes holes as data, and leaves them out. */
static int put_hole(const struct tarfile *t, uint64_t n, struct err *e)
{
	int r = 0;

	for (size_t part; n > 0 && r == 0; n -= part) {
		part = n < TARFILE_CHUNK ? (size_t)n : TARFILE_CHUNK;
		r = tarfile_data(t, t->zeros, part, e);
	}
	return r;
}

static int put_extent(const struct tarfile *t, int fd, uint64_t from, uint64_t to, const char *name,
        struct err *e)
{
	if (t->blank)
		return put_hole(t, to - from, e);
	while (from < to) {
		size_t n = to - from < TARFILE_CHUNK ? (size_t)(to - from) : TARFILE_CHUNK;
		ssize_t got = pread(fd, t->buf, n, (off_t)from);

		if (got <= 0) {
			errno = got < 0 ? errno : EIO;
			return err_sys(e, "cannot read its %s", name);
		}
		if (tarfile_data(t, t->buf, (size_t)got, e) < 0)
			return -1;
		if (t->data)
			t->data(t->ctx, from, t->buf, (size_t)got);
		from += (uint64_t)got;
	}
	return 0;
}

int tarfile_put(
        const struct tarfile *t, struct archive_entry *x, int fd, const char *name, struct err *e)
{
	uint64_t from, to = 0, at = 0, size;
	struct stat st;
	int r;

	if (fstat(fd, &st) < 0)
		return err_sys(e, "cannot read its %s", name);
	size = (uint64_t)st.st_size;
	archive_entry_set_size(x, st.st_size);
	while (pack_extent(fd, to, &from, &to))
		archive_entry_sparse_add_entry(x, (la_int64_t)from, (la_int64_t)(to - from));
	if (to == 0 && size > 0) /* nothing but a hole */
		archive_entry_sparse_add_entry(x, (la_int64_t)size, 0);
	r = archive_write_header(t->a, x) == ARCHIVE_OK ? 0 : tarfile_failed(t->a, e);
	for (to = 0; r == 0 && pack_extent(fd, to, &from, &to); at = to) {
		r = put_hole(t, from - at, e);
		if (r == 0)
			r = put_extent(t, fd, from, to, name, e);
	}
	return r == 0 ? put_hole(t, size - at, e) : -1;
}
