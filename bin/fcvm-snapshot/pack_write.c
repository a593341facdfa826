/* SPDX-License-Identifier: MIT */
#include "pack.h"
#include "cleanup.h"
#include "failpoint.h"
#include "json.h"
#include "pack_volumes.h"
#include "pagehash.h"
#include "saved.h"
#include "status.h"
#include "strv.h"
#include "tarfile.h"
#include "vol_spec.h"
#include "voltar.h"
#include "xio.h"

#include <archive.h>
#include <archive_entry.h>
#include <string.h>

#define BLOCK 65536
#define LEVEL "3" /* memory at some 300 MB/s a processor */

const char *const pack_names[PACK_MEMBERS] = {"meta.json", "plan.json", "state", "root.sqfs",
        "scratch", "memory", "volumes", "manifest.json"};

int *pack_file(struct snapshot_files *f, enum pack_member m)
{
	int *const fds[PACK_MEMBERS] = {
	        NULL, NULL, &f->state, &f->root, &f->scratch, &f->memory, &f->volumes, NULL};

	return fds[m];
}

struct out {
	struct tarfile file;
	json_t *meta, *hashes;   /* by member */
	uint64_t trees[VOL_MAX]; /* bytes of the members with files of volumes */
	struct pagehash *hash;   /* of the member that is written */
	pack_tick *tick;
	uint64_t done, total; /* bytes of data */
};

static struct archive_entry *entry(const struct out *o, const char *name, uint64_t size)
{
	struct archive_entry *x = archive_entry_new();

	if (!x)
		abort();
	archive_entry_set_pathname(x, name);
	archive_entry_set_filetype(x, AE_IFREG);
	archive_entry_set_perm(x, 0600);
	archive_entry_set_size(x, (la_int64_t)size);
	archive_entry_set_mtime(
	        x, (time_t)json_integer_value(json_object_get(o->meta, "created")), 0);
	return x;
}

static void keep_hash(struct out *o, const char *name, uint64_t size)
{
	char hex[SHA256_HEX];

	pagehash_end(o->hash, size, hex);
	o->hash = NULL;
	json_object_set_new(
	        o->hashes, name, json_pack("{s:I, s:s}", "size", (json_int_t)size, "hash", hex));
}

/* Of each part with data. */
static void note(void *ctx, uint64_t at, const void *data, size_t n)
{
	struct out *o = ctx;

	pagehash_add(o->hash, at, data, n);
	o->done += n;
	if (o->tick)
		o->tick(o->done, o->total);
	failpoint("export-data");
}

static int begin(struct out *o, struct archive_entry *x, struct err *e)
{
	int r = archive_write_header(o->file.a, x) == ARCHIVE_OK ? 0 : tarfile_failed(o->file.a, e);

	o->hash = pagehash_begin();
	archive_entry_free(x);
	return r;
}

static int put_document(struct out *o, enum pack_member m, const json_t *doc, struct err *e)
{
	auto_free char *text = json_dumps(doc, JSON_INDENT(1) | JSON_SORT_KEYS);
	size_t n = text ? strlen(text) : 0;
	int r = begin(o, entry(o, pack_names[m], n), e);

	if (n)
		pagehash_add(o->hash, 0, text, n);
	keep_hash(o, pack_names[m], n);
	return r == 0 ? tarfile_data(&o->file, text, n, e) : -1;
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
	struct archive_entry *x = entry(o, pack_names[m], 0);
	int r;

	o->hash = pagehash_begin();
	r = tarfile_put(&o->file, x, fd, pack_names[m], e);
	keep_hash(o, pack_names[m], (uint64_t)archive_entry_size(x));
	archive_entry_free(x);
	return r;
}

/* The stream of a volume's files. 1: it has not so many bytes. */
static int carry(struct out *o, int fd, uint64_t size, struct err *e)
{
	uint64_t at = 0;
	ssize_t n;

	while ((n = read_full(fd, o->file.buf, TARFILE_CHUNK)) > 0 && (size_t)n <= size - at) {
		if (tarfile_data(&o->file, o->file.buf, (size_t)n, e) < 0)
			return -1;
		note(o, at, o->file.buf, (size_t)n);
		at += (size_t)n;
	}
	return n != 0 || at != size;
}

static int put_tree(struct out *o, struct snapshot *s, size_t i, const char *name, struct err *e)
{
	auto_fd int dir = saved_volume(s->dir, i, e);
	struct voltar *v = dir < 0 ? NULL : voltar_start(dir, VOLTAR_WRITE, NULL, e);
	int r;

	if (!v)
		return -1;
	r = begin(o, entry(o, name, o->trees[i]), e);
	if (r == 0)
		r = carry(o, voltar_fd(v), o->trees[i], e);
	keep_hash(o, name, o->trees[i]);
	/* If writing the archive has failed, the other end can only say that nobody reads. */
	if (voltar_end(v, NULL, r < 0 ? NULL : e) < 0)
		return r < 0 ? -1 : err_prefix(e, "its %s", name);
	return r == 1 ? err_set(e, FCVM_EX_DATA, "its %s has changed meanwhile", name) : r;
}

/* The size of a member comes before it. */
static int measure_trees(struct out *o, const struct snapshot *s, struct err *e)
{
	char name[32];

	for (size_t i = 0; i < pack_volumes_count(o->meta); i++) {
		auto_fd int dir = -1;
		struct voltar *v;

		if (!pack_volume_member(o->meta, i, name))
			continue;
		dir = saved_volume(s->dir, i, e);
		v = dir < 0 ? NULL : voltar_start(dir, VOLTAR_SIZE, NULL, e);
		if (!v)
			return -1;
		if (voltar_end(v, &o->trees[i], e) < 0)
			return err_prefix(e, "its %s", name);
		o->total += o->trees[i];
	}
	return 0;
}

static int put_all(struct out *o, struct snapshot *s, const char *tag, struct err *e)
{
	auto_json json_t *manifest = NULL;
	size_t n = pack_volumes_count(o->meta);
	char name[32];

	if (put_document(o, PACK_META, o->meta, e) < 0 ||
	        put_document(o, PACK_PLAN, s->plan, e) < 0)
		return -1;
	for (enum pack_member m = 0; m < PACK_MEMBERS; m++) {
		const int *fd = pack_file(&s->files, m);

		if (fd && *fd >= 0 && (n || m != PACK_VOLUMES) && put_file(o, m, *fd, e) < 0)
			return -1;
	}
	for (size_t i = 0; i < n; i++)
		if (pack_volume_member(o->meta, i, name) && put_tree(o, s, i, name, e) < 0)
			return -1;
	manifest = json_pack("{s:i, s:s, s:O}", "fcvmSnapshotArchive", PACK_FORMAT, "tag", tag,
	        "files", o->hashes);
	return put_document(o, PACK_MANIFEST, manifest, e);
}

static int open_out(struct out *o, int fd, struct err *e)
{
	if (archive_write_set_format_pax(o->file.a) < ARCHIVE_WARN ||
	        archive_write_add_filter_zstd(o->file.a) != ARCHIVE_OK ||
	        archive_write_set_filter_option(o->file.a, "zstd", "compression-level", LEVEL) !=
	                ARCHIVE_OK)
		return tarfile_failed(o->file.a, e);
	archive_write_set_bytes_per_block(o->file.a, BLOCK);
	archive_write_set_bytes_in_last_block(o->file.a, 1);
	return archive_write_open_fd(o->file.a, fd) == ARCHIVE_OK ? 0
	                                                          : tarfile_failed(o->file.a, e);
}

static int measure(struct out *o, struct snapshot *s, struct err *e)
{
	uint64_t sessions;

	for (enum pack_member m = 0; m < PACK_MEMBERS; m++) {
		const int *file = pack_file(&s->files, m);

		o->total += file ? pack_data_bytes(*file) : 0;
	}
	/* What a reader would refuse is not written. */
	return pack_volumes_check(o->meta, &sessions, e) < 0 ? -1 : measure_trees(o, s, e);
}

int pack_write(struct snapshot *s, const char *tag, int fd, pack_tick *tick, struct err *e)
{
	auto_json json_t *hashes = json_object(), *meta = pack_volumes_meta(s->meta);
	auto_free char *buf = xcalloc(1, TARFILE_CHUNK), *zeros = xcalloc(1, TARFILE_CHUNK);
	struct archive *a = archive_write_new();
	struct out o = {.meta = meta, .hashes = hashes, .tick = tick};
	int r;

	if (!a)
		abort();
	o.file = (struct tarfile){.a = a, .buf = buf, .zeros = zeros, .data = note, .ctx = &o};
	r = measure(&o, s, e);
	if (r == 0)
		r = open_out(&o, fd, e);
	if (r == 0)
		r = put_all(&o, s, tag, e);
	if (r == 0 && archive_write_close(a) != ARCHIVE_OK)
		r = tarfile_failed(a, e);
	archive_write_free(a);
	return r;
}
