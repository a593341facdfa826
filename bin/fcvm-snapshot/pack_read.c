/* SPDX-License-Identifier: MIT */
#include "pack.h"
#include "cleanup.h"
#include "json.h"
#include "name.h"
#include "pack_volumes.h"
#include "page.h"
#include "pagehash.h"
#include "saved.h"
#include "status.h"
#include "strv.h"
#include "voltar.h"
#include "xio.h"

#include <archive.h>
#include <archive_entry.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>

#define BLOCK     65536
#define STATE_MAX ((uint64_t)256 << 20)
#define SIZE_MAX_ ((uint64_t)1 << 44) /* of memory and disks: more than any plan may ask for */

struct in {
	struct archive *a;
	struct pack_in *p;
	int fd;
	int read_error;
	bool over;
	uint64_t done, total; /* bytes of the archive itself */
	uint64_t files;       /* bytes on the disk that the files of volumes take beside theirs */
	uint64_t sessions;    /* bytes of the member volumes */
	json_t *hashes;       /* by member */
	char block[BLOCK];
};

static la_ssize_t next_block(struct archive *a, void *ctx, const void **block)
{
	struct in *in = ctx;
	ssize_t n = read_full(in->fd, in->block, sizeof in->block);

	if (n < 0) {
		in->read_error = (int)-n;
		archive_set_error(a, (int)-n, "cannot read");
		return ARCHIVE_FATAL;
	}
	in->done += (uint64_t)n;
	if (in->p->tick)
		in->p->tick(in->done, in->total);
	*block = in->block;
	return n;
}

static int refuse(struct err *e, const char *name, const char *why)
{
	return err_set(e, FCVM_EX_DATA, "its %s %s", name, why);
}

static int failed(const struct in *in, struct err *e)
{
	const char *why = archive_error_string(in->a);

	if (in->read_error) {
		errno = in->read_error;
		return err_sys(e, "cannot read it");
	}
	return err_set(e, FCVM_EX_DATA, "it is damaged, cut short or no such archive: %s",
	        why ? why : "unknown format");
}

static uint64_t used(const struct in *in)
{
	la_int64_t n = archive_filter_bytes(in->a, 0);

	return n < 0 ? UINT64_MAX : (uint64_t)n + in->files;
}

static bool is_over(const struct in *in)
{
	return used(in) > in->p->limit;
}

static int too_large(const struct in *in, struct err *e)
{
	return err_set(e, FCVM_EX_DATA,
	        "it unpacks to more than %" PRIu64 " MiB, which is the limit (--limit)",
	        in->p->limit >> 20);
}

/* The header of the member that has to come now: a plain file of that very name. */
static int expect(struct in *in, const char *want, uint64_t *size, struct err *e)
{
	struct archive_entry *x;
	const char *name;
	int r = archive_read_next_header(in->a, &x);

	if (is_over(in))
		return too_large(in, e);
	if (r == ARCHIVE_EOF)
		return err_set(e, FCVM_EX_DATA, "it has no %s", want);
	if (r != ARCHIVE_OK)
		return failed(in, e);
	name = archive_entry_pathname(x);
	if (!name || strcmp(name, want) != 0)
		return err_set(e, FCVM_EX_DATA, "it has '%s' where its %s should be",
		        name ? name : "", want);
	if (archive_entry_filetype(x) != AE_IFREG || archive_entry_hardlink(x) ||
	        archive_entry_symlink(x))
		return refuse(e, want, "is no plain file");
	if (!archive_entry_size_is_set(x) || archive_entry_size(x) < 0 ||
	        (uint64_t)archive_entry_size(x) > SIZE_MAX_)
		return refuse(e, want, "has no size that can be");
	*size = (uint64_t)archive_entry_size(x);
	return 0;
}

/* Where a member's data goes. */
struct sink {
	const char *name;
	uint64_t size, at; /* of the file; where it is written next */
	int fd;            /* -1: */
	char *text;        /* size bytes */
	bool pipe;         /* fd is one, which takes no holes */
	bool gone;         /* nobody reads it any more */
};

/* Whole pages of zeros stay holes: the file is empty. 0 or -errno. */
static int write_data(int fd, const char *p, size_t n, uint64_t at)
{
	size_t from = 0, to = 0;

	while (to < n) {
		size_t page = PAGE_BYTES - (size_t)((at + to) % PAGE_BYTES);

		if (page > n - to)
			page = n - to;
		if (page == PAGE_BYTES && page_is_zero(p + to)) {
			int r = pwrite_full(fd, p + from, to - from, (off_t)(at + from));

			if (r < 0)
				return r;
			from = to + page;
		}
		to += page;
	}
	return pwrite_full(fd, p + from, to - from, (off_t)(at + from));
}

static int take(struct sink *s, const void *data, size_t n, uint64_t at, struct err *e)
{
	int r = 0;

	if (at < s->at || at > s->size || n > s->size - at || (s->pipe && at > s->at))
		return refuse(e, s->name, "has data where there can be none");
	s->at = at + n;
	if (s->fd < 0)
		memcpy(s->text + at, data, n);
	else if (s->pipe)
		r = write_full(s->fd, data, n);
	else
		r = write_data(s->fd, data, n, at);
	s->gone = s->pipe && r == -EPIPE;
	errno = -r;
	return r < 0 ? err_sys(e, "cannot write its %s", s->name) : 0;
}

static int unpack(struct in *in, struct sink *s, struct err *e)
{
	struct pagehash *hash = pagehash_begin();
	char hex[SHA256_HEX];
	const void *data;
	la_int64_t at;
	size_t n;
	int r, bad = 0;

	while (!bad && (r = archive_read_data_block(in->a, &data, &n, &at)) == ARCHIVE_OK) {
		bad = is_over(in) ? too_large(in, e) : take(s, data, n, (uint64_t)at, e);
		if (!bad)
			pagehash_add(hash, (uint64_t)at, data, n);
	}
	pagehash_end(hash, s->size, hex);
	json_object_set_new(in->hashes, s->name,
	        json_pack("{s:I, s:s}", "size", (json_int_t)s->size, "hash", hex));
	if (!bad && r != ARCHIVE_EOF)
		bad = failed(in, e);
	return bad;
}

static json_t *document(struct in *in, enum pack_member m, struct err *e)
{
	struct sink s = {.name = pack_names[m], .fd = -1};
	auto_free char *text = NULL;
	json_t *doc;

	if (expect(in, s.name, &s.size, e) < 0)
		return NULL;
	if (s.size > JSON_MAX_BYTES) {
		refuse(e, s.name, "is too large");
		return NULL;
	}
	s.text = text = xcalloc(1, (size_t)s.size + 1);
	if (unpack(in, &s, e) < 0)
		return NULL;
	doc = json_parse(text, (size_t)s.size, pack_names[m], e);
	return doc;
}

/* The sizes that the machine's description asks for. */
static int check_size(const struct in *in, enum pack_member m, uint64_t size, struct err *e)
{
	const json_t *machine = json_object_get(in->p->meta, "machine");
	const char *key = m == PACK_MEMORY ? "memory" : "scratchSize";

	if (m == PACK_STATE && size > STATE_MAX)
		return refuse(e, pack_names[m], "is too large");
	if (((m == PACK_MEMORY || m == PACK_SCRATCH) &&
	            (json_int_t)size != json_integer_value(json_object_get(machine, key))) ||
	        (m == PACK_VOLUMES && size != in->sessions))
		return refuse(e, pack_names[m], "is not of the size that its meta.json says");
	return 0;
}

static int file(struct in *in, enum pack_member m, int fd, struct err *e)
{
	struct sink s = {.name = pack_names[m], .fd = fd};

	if (expect(in, s.name, &s.size, e) < 0 || check_size(in, m, s.size, e) < 0)
		return -1;
	if (ftruncate(fd, (off_t)s.size) < 0)
		return err_sys(e, "cannot make its %s", s.name);
	return unpack(in, &s, e);
}

/* The files of volume i. */
static int tree(struct in *in, size_t i, const char *name, struct err *e)
{
	struct sink s = {.name = name, .pipe = true};
	struct voltar_room left = {.bytes = is_over(in) ? 0 : in->p->limit - used(in)};
	auto_fd int dir = -1;
	struct voltar *v;
	int r, end;

	if (expect(in, name, &s.size, e) < 0)
		return -1;
	dir = saved_volume_new(in->p->dir, i, e);
	v = dir < 0 ? NULL : voltar_start(dir, VOLTAR_READ, &left, e);
	if (!v)
		return -1;
	s.fd = voltar_fd(v);
	r = unpack(in, &s, e);
	/* What is wrong with the archive comes before what is missing for that. */
	end = voltar_end(v, NULL, r == 0 || s.gone ? e : NULL);
	in->files += left.entries * PAGE_BYTES;
	if (r < 0 && !s.gone)
		return -1;
	if (end < 0 && left.over)
		return too_large(in, e);
	return end < 0 ? err_prefix(e, "its %s", name) : r;
}

static int trees(struct in *in, struct err *e)
{
	char name[32];

	for (size_t i = 0; i < pack_volumes_count(in->p->meta); i++)
		if (pack_volume_member(in->p->meta, i, name) && tree(in, i, name, e) < 0)
			return -1;
	return 0;
}

static int check_meta(const json_t *meta, uint64_t *sessions, struct err *e)
{
	const json_t *created = json_object_get(meta, "created");

	if (json_integer_value(json_object_get(meta, "fcvmSnapshot")) != SNAPSHOT_FORMAT)
		return err_set(e, FCVM_EX_DATA, "it is of another version of fcvm");
	if (!json_is_object(json_object_get(meta, "machine")) ||
	        !json_is_string(json_object_get(meta, "vm")) || !json_is_integer(created))
		return refuse(e, pack_names[PACK_META], "does not describe a machine");
	return pack_volumes_check(meta, sessions, e);
}

static int check_plan(const json_t *plan, struct err *e)
{
	const char *name = json_string_value(json_object_get(plan, "name"));

	if (json_integer_value(json_object_get(plan, "fcvmPlan")) != 1 || !name ||
	        !name_valid(name) || !json_is_object(json_object_get(plan, "process")))
		return refuse(e, pack_names[PACK_PLAN], "is not a plan of version 1");
	return 0;
}

static int check_manifest(struct in *in, const json_t *doc, struct err *e)
{
	const json_t *files = json_object_get(doc, "files"), *is;
	const char *tag = json_string_value(json_object_get(doc, "tag"));
	const char *name;

	json_object_del(in->hashes, pack_names[PACK_MANIFEST]);
	if (json_integer_value(json_object_get(doc, "fcvmSnapshotArchive")) != PACK_FORMAT)
		return err_set(e, FCVM_EX_DATA, "it is of another version of fcvm");
	json_object_foreach(in->hashes, name, is)
	{
		if (!json_equal(is, json_object_get(files, name)))
			return err_set(
			        e, FCVM_EX_DATA, "its %s is not what its manifest says", name);
	}
	if (json_object_size(files) != json_object_size(in->hashes) || !tag || !name_valid(tag))
		return refuse(e, pack_names[PACK_MANIFEST], "does not fit");
	in->p->tag = xstrdup(tag);
	return 0;
}

static int end(struct in *in, struct err *e)
{
	struct archive_entry *x;
	int r = archive_read_next_header(in->a, &x);
	const char *name;

	if (r == ARCHIVE_EOF)
		return 0;
	if (r != ARCHIVE_OK)
		return failed(in, e);
	name = archive_entry_pathname(x);
	return err_set(e, FCVM_EX_DATA, "it has '%s' after its end", name ? name : "");
}

static int read_all(struct in *in, struct err *e)
{
	auto_json json_t *manifest = NULL;
	bool disk;

	in->p->meta = document(in, PACK_META, e);
	if (!in->p->meta || check_meta(in->p->meta, &in->sessions, e) < 0)
		return -1;
	in->p->plan = document(in, PACK_PLAN, e);
	if (!in->p->plan || check_plan(in->p->plan, e) < 0)
		return -1;
	disk = snapshot_is_disk(in->p->meta);
	for (enum pack_member m = PACK_STATE; m < PACK_MANIFEST; m++) {
		if ((disk && (m == PACK_STATE || m == PACK_MEMORY)) ||
		        (m == PACK_VOLUMES && !pack_volumes_count(in->p->meta)))
			continue;
		if (file(in, m, *pack_file(&in->p->files, m), e) < 0)
			return -1;
	}
	if (trees(in, e) < 0)
		return -1;
	manifest = document(in, PACK_MANIFEST, e);
	return manifest && check_manifest(in, manifest, e) == 0 ? end(in, e) : -1;
}

int pack_read(int fd, struct pack_in *p, struct err *e)
{
	auto_free struct in *in = xcalloc(1, sizeof *in);
	auto_json json_t *hashes = json_object();
	struct stat st;
	int r;

	in->a = archive_read_new();
	if (!in->a)
		abort();
	in->p = p;
	in->fd = fd;
	in->hashes = hashes;
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode))
		in->total = (uint64_t)st.st_size;
	archive_read_support_filter_zstd(in->a);
	archive_read_support_format_tar(in->a);
	r = archive_read_open(in->a, in, NULL, next_block, NULL) == ARCHIVE_OK ? 0 : failed(in, e);
	if (r == 0)
		r = read_all(in, e);
	archive_read_free(in->a);
	return r;
}

void pack_in_free(struct pack_in *p)
{
	free(p->tag);
	json_decref(p->meta);
	json_decref(p->plan);
	p->tag = NULL;
	p->meta = p->plan = NULL;
}
