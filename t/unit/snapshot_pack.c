/* SPDX-License-Identifier: MIT
 * Snapshots as files: what goes out comes in again, holes and all; what is not as it must be is
 * refused, and nothing is left of it. */
#include "fcvm-snapshot/pagehash.h"
#include "packcase.h"
#include "plaintar.h"

#include <sys/stat.h>

static bool same_file(int a, int b)
{
	struct stat x, y;
	char *p, *q;
	bool same;

	if (fstat(a, &x) < 0 || fstat(b, &y) < 0)
		abort();
	if (x.st_size != y.st_size)
		return false;
	p = mmap(NULL, (size_t)x.st_size, PROT_READ, MAP_SHARED, a, 0);
	q = mmap(NULL, (size_t)x.st_size, PROT_READ, MAP_SHARED, b, 0);
	same = p != MAP_FAILED && q != MAP_FAILED && !memcmp(p, q, (size_t)x.st_size);
	munmap(p, (size_t)x.st_size);
	munmap(q, (size_t)x.st_size);
	return same;
}

static bool is_same(const struct snapshot *s, const struct pack_in *in)
{
	return json_equal(in->meta, s->meta) && json_equal(in->plan, s->plan) &&
	       same_file(s->files.state, in->files.state) &&
	       same_file(s->files.memory, in->files.memory) &&
	       same_file(s->files.scratch, in->files.scratch) &&
	       same_file(s->files.root, in->files.root);
}

/* Whether it is refused, or gives just what it was made of. */
static bool is_harmless(int fd, const struct snapshot *s)
{
	struct pack_in in = empty(-1);
	bool good;

	if (lseek(fd, 0, SEEK_SET) < 0)
		abort();
	good = pack_read(fd, &in, NULL) < 0 || is_same(s, &in);
	pack_in_free(&in);
	snapshot_files_close(&in.files);
	return good;
}

static void round_trip(void)
{
	struct snapshot s = sample();
	struct pack_in in = empty(-1);
	int fd = archive_of(&s);
	struct stat st;
	struct err e;

	ok(fstat(fd, &st) == 0 && st.st_size < 8192, "holes take no room in the archive");
	lseek(fd, 0, SEEK_SET);
	is_int(pack_read(fd, &in, &e), 0, "it is read");
	is_str(in.tag, "warm", "it has its tag");
	ok(fstat(in.files.memory, &st) == 0 && st.st_blocks * 512 <= 4 * (blkcnt_t)PAGE_BYTES,
	        "the memory is as sparse as it was");
	ok(is_same(&s, &in), "and all that went out");
	close(fd);
	pack_in_free(&in);
	snapshot_files_close(&in.files);
	snapshot_close(&s);
}

static void without_memory(void)
{
	struct snapshot s = sample();
	int fd;

	json_object_set_new(s.meta, "kind", json_string(SNAPSHOT_DISK));
	fd = archive_of(&s);
	has_str(read_it(fd, -1, ROOM), "it has 'state' where its root.sqfs should be",
	        "a disk alone has no state");
	close(fd);
	close(s.files.state);
	close(s.files.memory);
	s.files.state = s.files.memory = -1;
	fd = archive_of(&s);
	is_str(read_it(fd, -1, ROOM), "", "a disk alone is read");
	close(fd);
	snapshot_close(&s);
}

/* Cut anywhere, it is refused. */
static void truncated(void)
{
	struct snapshot s = sample();
	int fd = archive_of(&s), taken = 0;
	off_t size = lseek(fd, 0, SEEK_END);

	for (off_t n = size - 1; n > 0; n -= 7)
		if (ftruncate(fd, n) < 0 || !*read_it(fd, -1, ROOM))
			taken++;
	is_int(taken, 0, "none that is cut short is taken");
	close(fd);
	snapshot_close(&s);
}

static void refused(const struct member *m, const char *why, const char *what)
{
	int fd = plain_archive(m);

	has_str(read_it(fd, -1, ROOM), why, what);
	close(fd);
}

static void hostile(void)
{
	const struct member start[] = {
	        {.name = "meta.json", .data = META}, {.name = "plan.json", .data = PLAN}};
	const struct {
		struct member third;
		const char *why, *what;
	} bad[] = {
	        {{.name = "../state", .data = "x"}, "it has '../state' where its state", "a path"},
	        {{.name = "./state", .data = "x"}, "it has './state' where", "another spelling"},
	        {{.name = "/state", .data = "x"}, "it has '/state' where", "an absolute path"},
	        {{.name = "state", .data = "", .type = AE_IFLNK, .link = "/etc/passwd"},
	                "its state is no plain file", "a symbolic link"},
	        {{.name = "state", .data = "", .link = "meta.json"}, "its state is no plain file",
	                "a hard link"},
	        {{.name = "state", .data = "", .type = AE_IFDIR}, "state", "a directory"},
	        {{.name = "state", .data = "", .type = AE_IFIFO}, "its state is no plain file",
	                "a pipe"},
	        {{.name = "meta.json", .data = META}, "it has 'meta.json' where", "a member twice"},
	        {{.name = "state", .data = "", .size = (int64_t)1 << 45}, "no size that can be",
	                "a size beyond all"},
	        {{.name = "state", .data = "", .size = (int64_t)1 << 40}, "its state is too large",
	                "a state that is too large"}};
	const struct member other[] = {{.name = "etc/passwd", .data = "x"}, {.name = NULL}};
	const struct member no_plan[] = {start[0], {.name = NULL}};
	const struct member version[] = {
	        {.name = "meta.json", .data = "{\"fcvmSnapshot\":9}"}, {.name = NULL}};
	const struct member text[] = {{.name = "meta.json", .data = "{"}, {.name = NULL}};
	const struct member size[] = {start[0], start[1], {.name = "state", .data = "x"},
	        {.name = "root.sqfs", .data = "x"}, {.name = "scratch", .data = "short"},
	        {.name = NULL}};
	int fd = file_of("no archive at all", 17, 17);

	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		const struct member m[] = {start[0], start[1], bad[i].third, {.name = NULL}};

		refused(m, bad[i].why, bad[i].what);
	}
	refused(other, "it has 'etc/passwd' where its meta.json should be", "another archive");
	refused(no_plan, "it has no plan.json", "one that ends early");
	refused(version, "it is of another version of fcvm", "another version");
	refused(text, "meta.json", "a document that is none");
	refused(size, "its scratch is not of the size that its meta.json says", "another size");
	has_str(read_it(fd, -1, ROOM), "no such archive", "what is no archive");
	close(fd);
}

/* Any change of a byte of the contents is noticed. */
static void changed(void)
{
	struct snapshot s = sample();
	int fd = archive_of(&s), plain = memfd_create("plain", 0), taken = 0; /* or worse */
	struct archive *in = archive_read_new();
	const void *data;
	struct archive_entry *x;
	la_int64_t at;
	off_t size;
	size_t n;

	lseek(fd, 0, SEEK_SET);
	archive_read_support_filter_zstd(in);
	archive_read_support_format_raw(in);
	archive_read_open_fd(in, fd, 4096);
	archive_read_next_header(in, &x);
	while (archive_read_data_block(in, &data, &n, &at) == ARCHIVE_OK)
		if (write(plain, data, n) != (ssize_t)n)
			abort();
	archive_read_free(in);
	is_str(read_it(plain, -1, ROOM), "", "one that is not compressed is taken");
	size = lseek(plain, 0, SEEK_END);
	for (off_t i = 0; i < size; i++) {
		char was, is;

		if (pread(plain, &was, 1, i) != 1 || !was)
			continue;
		is = (char)(was ^ 1);
		if (pwrite(plain, &is, 1, i) != 1)
			abort();
		if (!is_harmless(plain, &s))
			taken++;
		if (pwrite(plain, &was, 1, i) != 1)
			abort();
	}
	is_int(taken, 0, "one with another byte gives nothing else");
	close(fd);
	close(plain);
	snapshot_close(&s);
}

static void limits(void)
{
	struct snapshot s = sample();
	char *bytes = calloc(1, 4 << 20);
	int fd;

	if (!bytes)
		abort();
	memset(bytes, 'x', 4 << 20);
	if (pwrite(s.files.memory, bytes, 4 << 20, 0) != 4 << 20)
		abort();
	free(bytes);
	fd = archive_of(&s);
	ok(lseek(fd, 0, SEEK_END) < 8192, "a bomb is small");
	has_str(read_it(fd, -1, 1 << 20), "it unpacks to more than 1 MiB, which is the limit",
	        "what unpacks to more than may be is refused");
	is_str(read_it(fd, -1, 8 << 20), "", "and taken under another limit");
	close(fd);
	snapshot_close(&s);
}

static void hashes(void)
{
	char whole[SHA256_HEX], parts[SHA256_HEX], other[SHA256_HEX];
	char data[3 * PAGE_BYTES] = {0};
	struct pagehash *h = pagehash_begin();

	data[5] = data[2 * PAGE_BYTES] = 1;
	pagehash_add(h, 0, data, sizeof data);
	pagehash_end(h, sizeof data, whole);
	h = pagehash_begin();
	pagehash_add(h, 3, data + 3, 1000);
	pagehash_add(h, 2 * PAGE_BYTES, data + 2 * PAGE_BYTES, 1);
	pagehash_end(h, sizeof data, parts);
	is_str(parts, whole, "it is no matter where holes are");
	h = pagehash_begin();
	pagehash_add(h, 3, data + 3, 1000);
	pagehash_add(h, PAGE_BYTES, data + 2 * PAGE_BYTES, 1);
	pagehash_end(h, sizeof data, other);
	ok(strcmp(other, whole) != 0, "but where the data is");
	h = pagehash_begin();
	pagehash_end(h, sizeof data, other);
	h = pagehash_begin();
	pagehash_end(h, sizeof data + 1, whole);
	ok(strcmp(other, whole) != 0, "and how large the file");
}

int main(void)
{
	hashes();
	round_trip();
	without_memory();
	truncated();
	hostile();
	changed();
	limits();
	return done();
}
