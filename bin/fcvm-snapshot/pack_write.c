/* SPDX-License-Identifier: MIT */
#include "pack.h"
#include "cleanup.h"
#include "failpoint.h"
#include "json.h"
#include "pagehash.h"
#include "status.h"
#include "strv.h"

#include <archive.h>
#include <archive_entry.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#define CHUNK ((size_t)1 << 20)
#define BLOCK 65536
#define LEVEL "3" /* memory at some 300 MB/s a processor */

const char *const pack_names[PACK_MEMBERS] = {
        "meta.json", "plan.json", "state", "root.sqfs", "scratch", "memory", "manifest.json"};

int *pack_file(struct snapshot_files *f, enum pack_member m)
{
	int *const fds[PACK_MEMBERS] = {
	        NULL, NULL, &f->state, &f->root, &f->scratch, &f->memory, NULL};

	return fds[m];
}

struct out {
	struct archive *a;
	int fd;
	time_t time;
	json_t *hashes; /* by member */
	pack_tick *tick;
	uint64_t done, total; /* bytes of data */
	char *buf;            /* CHUNK bytes */
	const char *zeros;    /* CHUNK bytes */
};

static int failed(const struct out *o, struct err *e)
{
	const char *why = archive_error_string(o->a);

	return err_set(e, FCVM_EX_SYS, "cannot write the archive: %s", why ? why : "out of memory");
}

static struct archive_entry *entry(const struct out *o, enum pack_member m, uint64_t size)
{
	struct archive_entry *x = archive_entry_new();

	if (!x)
		abort();
	archive_entry_set_pathname(x, pack_names[m]);
	archive_entry_set_filetype(x, AE_IFREG);
	archive_entry_set_perm(x, 0600);
	archive_entry_set_size(x, (la_int64_t)size);
	archive_entry_set_mtime(x, o->time, 0);
	return x;
}

static void keep_hash(const struct out *o, enum pack_member m, struct pagehash *hash, uint64_t size)
{
	char hex[SHA256_HEX];

	pagehash_end(hash, size, hex);
	json_object_set_new(o->hashes, pack_names[m],
	        json_pack("{s:I, s:s}", "size", (json_int_t)size, "hash", hex));
}

static int put(const struct out *o, const void *data, size_t n, struct err *e)
{
	return archive_write_data(o->a, data, n) == (la_ssize_t)n ? 0 : failed(o, e);
}

static int put_document(const struct out *o, enum pack_member m, const json_t *doc, struct err *e)
{
	auto_free char *text = json_dumps(doc, JSON_INDENT(1) | JSON_SORT_KEYS);
	size_t n = text ? strlen(text) : 0;
	struct archive_entry *x = entry(o, m, n);
	struct pagehash *hash = pagehash_begin();
	int r = archive_write_header(o->a, x) == ARCHIVE_OK ? 0 : failed(o, e);

	if (n)
		pagehash_add(hash, 0, text, n);
	keep_hash(o, m, hash, n);
	if (r == 0)
		r = put(o, text, n, e);
	archive_entry_free(x);
	return r;
}

/* The archive's writer takes holes as data, and leaves them out. */
static int put_hole(const struct out *o, uint64_t n, struct err *e)
{
	int r = 0;

	for (size_t part; n > 0 && r == 0; n -= part) {
		part = n < CHUNK ? (size_t)n : CHUNK;
		r = put(o, o->zeros, part, e);
	}
	return r;
}

static int put_extent(struct out *o, int fd, uint64_t from, uint64_t to, struct pagehash *hash,
        enum pack_member m, struct err *e)
{
	while (from < to) {
		size_t n = to - from < CHUNK ? (size_t)(to - from) : CHUNK;
		ssize_t got = pread(fd, o->buf, n, (off_t)from);

		if (got <= 0) {
			errno = got < 0 ? errno : EIO;
			return err_sys(e, "cannot read its %s", pack_names[m]);
		}
		pagehash_add(hash, from, o->buf, (size_t)got);
		if (put(o, o->buf, (size_t)got, e) < 0)
			return -1;
		from += (uint64_t)got;
		o->done += (uint64_t)got;
		if (o->tick)
			o->tick(o->done, o->total);
		failpoint("export-data");
	}
	return 0;
}

bool pack_extent(int fd, uint64_t at, uint64_t *from, uint64_t *to)
{
	off_t data = lseek(fd, (off_t)at, SEEK_DATA), hole;

	if (data < 0)
		return false;
	hole = lseek(fd, data, SEEK_HOLE);
	*from = (uint64_t)data;
	*to = (uint64_t)hole;
	return hole > data;
}

uint64_t pack_data_bytes(int fd)
{
	uint64_t from, to = 0, sum = 0;

	while (fd >= 0 && pack_extent(fd, to, &from, &to))
		sum += to - from;
	return sum;
}

static int put_file(struct out *o, enum pack_member m, int fd, struct err *e)
{
	uint64_t from, to = 0, at = 0, size;
	struct archive_entry *x;
	struct pagehash *hash;
	struct stat st;
	int r;

	if (fstat(fd, &st) < 0)
		return err_sys(e, "cannot read its %s", pack_names[m]);
	size = (uint64_t)st.st_size;
	x = entry(o, m, size);
	while (pack_extent(fd, to, &from, &to))
		archive_entry_sparse_add_entry(x, (la_int64_t)from, (la_int64_t)(to - from));
	if (to == 0 && size > 0) /* nothing but a hole */
		archive_entry_sparse_add_entry(x, (la_int64_t)size, 0);
	r = archive_write_header(o->a, x) == ARCHIVE_OK ? 0 : failed(o, e);
	archive_entry_free(x);
	hash = pagehash_begin();
	for (to = 0; r == 0 && pack_extent(fd, to, &from, &to); at = to) {
		r = put_hole(o, from - at, e);
		if (r == 0)
			r = put_extent(o, fd, from, to, hash, m, e);
	}
	if (r == 0)
		r = put_hole(o, size - at, e);
	keep_hash(o, m, hash, size);
	return r;
}

static int put_all(struct out *o, struct snapshot *s, const char *tag, struct err *e)
{
	auto_json json_t *manifest = NULL;

	if (put_document(o, PACK_META, s->meta, e) < 0 ||
	        put_document(o, PACK_PLAN, s->plan, e) < 0)
		return -1;
	for (enum pack_member m = 0; m < PACK_MEMBERS; m++) {
		const int *fd = pack_file(&s->files, m);

		if (fd && *fd >= 0 && put_file(o, m, *fd, e) < 0)
			return -1;
	}
	manifest = json_pack("{s:i, s:s, s:O}", "fcvmSnapshotArchive", PACK_FORMAT, "tag", tag,
	        "files", o->hashes);
	return put_document(o, PACK_MANIFEST, manifest, e);
}

static int open_out(struct out *o, struct err *e)
{
	if (archive_write_set_format_pax(o->a) < ARCHIVE_WARN ||
	        archive_write_add_filter_zstd(o->a) != ARCHIVE_OK ||
	        archive_write_set_filter_option(o->a, "zstd", "compression-level", LEVEL) !=
	                ARCHIVE_OK)
		return failed(o, e);
	archive_write_set_bytes_per_block(o->a, BLOCK);
	archive_write_set_bytes_in_last_block(o->a, 1);
	return archive_write_open_fd(o->a, o->fd) == ARCHIVE_OK ? 0 : failed(o, e);
}

int pack_write(struct snapshot *s, const char *tag, int fd, pack_tick *tick, struct err *e)
{
	auto_json json_t *hashes = json_object();
	auto_free char *buf = xcalloc(1, CHUNK), *zeros = xcalloc(1, CHUNK);
	struct out o = {.a = archive_write_new(),
	        .fd = fd,
	        .time = (time_t)json_integer_value(json_object_get(s->meta, "created")),
	        .hashes = hashes,
	        .tick = tick,
	        .buf = buf,
	        .zeros = zeros};
	int r;

	if (!o.a)
		abort();
	for (enum pack_member m = 0; m < PACK_MEMBERS; m++) {
		const int *file = pack_file(&s->files, m);

		o.total += file ? pack_data_bytes(*file) : 0;
	}
	r = open_out(&o, e);
	if (r == 0)
		r = put_all(&o, s, tag, e);
	if (r == 0 && archive_write_close(o.a) != ARCHIVE_OK)
		r = failed(&o, e);
	archive_write_free(o.a);
	return r;
}
