/* SPDX-License-Identifier: MIT
 * Snapshots as files that have volumes: the machine's own come with it, and what an archive says of
 * them is believed as little as the rest. */
#include "fcvm-snapshot/pack_volumes.h"
#include "fcvm-snapshot/voltar.h"
#include "cleanup.h"
#include "packcase.h"
#include "plaintar.h"
#include "strv.h"
#include "tmpdir.h"

#include <signal.h>
#include <sys/stat.h>

#define SESSIONS "of the firstof the second"
#define PADDING  ((size_t)1 << 20)

static json_t *volume(const char *at, const char *words, bool readonly, int from, int size)
{
	return json_pack("{s:s, s:s, s:s, s:b, s:s, s:s, s:b, s:[s], s:b, s:i, s:i}", "destination",
	        at, "source", "/the/host/volumes/abc/_data", "name", "abc", "anonymous", 1, "words",
	        words, "type", "directory", "readonly", (int)readonly, "options",
	        readonly ? "ro" : "rw", "copyUp", 1, "at", from, "size", size);
}

/* With a volume that can be written, and one that cannot. */
static struct snapshot with_volumes(const struct tmpdir *d)
{
	struct snapshot s = sample();
	json_t *machine = json_object_get(s.meta, "machine");

	s.files.volumes = file_of(SESSIONS, strlen(SESSIONS), strlen(SESSIONS));
	json_object_set_new(machine, "ports", json_integer(2));
	json_object_set_new(s.meta, "volumes",
	        json_pack("[o, o]", volume("/own", "", false, 0, 12),
	                volume("/own/ro", "ro", true, 12, 13)));
	if (mkdirat(d->fd, "volume-0", 0700) < 0 || mkdirat(d->fd, "volume-0/data", 0751) < 0 ||
	        write_file_at(d->fd, "volume-0/data/file", "content", 7, 0640) < 0 ||
	        linkat(d->fd, "volume-0/data/file", d->fd, "volume-0/data/link", 0) < 0)
		abort();
	s.dir = dup(d->fd);
	return s;
}

static json_t *first_of(const struct snapshot *s)
{
	return json_array_get(json_object_get(s->meta, "volumes"), 0);
}

/* "" if they can be exported. */
static const char *own(const struct snapshot *s)
{
	static struct err e;

	e.text[0] = 0;
	return pack_volumes_own(s->meta, &e) < 0 ? e.text : "";
}

static void whose(void)
{
	auto_tmpdir struct tmpdir d = tmpdir_make();
	struct snapshot s = with_volumes(&d);
	json_t *v = first_of(&s);

	is_str(own(&s), "", "anonymous ones are the machine's");
	json_object_set_new(v, "words", json_string("ro,idmap=uids=0-1000-1;gids=0-1000-1"));
	is_str(own(&s), "the volume at /own has idmap=, with ids of this host", "not with idmap=");
	json_object_set_new(v, "anonymous", json_false());
	is_str(own(&s), "the volume at /own is the volume abc of this host", "a named one is not");
	json_object_set_new(v, "name", json_string(""));
	is_str(own(&s), "the volume at /own is /the/host/volumes/abc/_data of this host",
	        "nor is a directory");
	snapshot_close(&s);
}

/* The names of its members. */
static void members(int fd, char names[256])
{
	struct archive *a = archive_read_new();
	struct archive_entry *x;

	names[0] = 0;
	lseek(fd, 0, SEEK_SET);
	archive_read_support_filter_zstd(a);
	archive_read_support_format_tar(a);
	archive_read_open_fd(a, fd, 4096);
	while (archive_read_next_header(a, &x) == ARCHIVE_OK)
		snprintf(names + strlen(names), 256 - strlen(names), "%s%s", *names ? " " : "",
		        archive_entry_pathname(x));
	archive_read_free(a);
}

/* Whether the volume that was read is what was written. */
static bool is_same(int dir)
{
	auto_free char *text = NULL;
	struct stat data, file, link;
	size_t n = 0;

	return fstatat(dir, "volume-0/data", &data, 0) == 0 && data.st_mode == (S_IFDIR | 0751) &&
	       fstatat(dir, "volume-0/data/file", &file, 0) == 0 &&
	       file.st_mode == (S_IFREG | 0640) && file.st_nlink == 2 &&
	       fstatat(dir, "volume-0/data/link", &link, 0) == 0 && link.st_ino == file.st_ino &&
	       read_file_at(dir, "volume-0/data/file", 64, &text, &n) == 0 && n == 7 &&
	       !memcmp(text, "content", n) && faccessat(dir, "volume-1", F_OK, 0) < 0;
}

static void round_trip(void)
{
	auto_tmpdir struct tmpdir d = tmpdir_make(), to = tmpdir_make();
	struct snapshot s = with_volumes(&d);
	struct pack_in in = empty(to.fd);
	auto_json json_t *want = pack_volumes_meta(s.meta);
	auto_fd int fd = archive_of(&s), again = archive_of(&s);
	char names[256], sessions[64] = "", bytes[16384], bytes2[16384];
	struct err e = {.text = ""};
	ssize_t n;

	members(fd, names);
	is_str(names,
	        "meta.json plan.json state root.sqfs scratch memory volumes volume-0.tar "
	        "manifest.json",
	        "what is in it");
	lseek(fd, 0, SEEK_SET);
	is_int(pack_read(fd, &in, &e), 0, "it is read: %s", e.text);
	ok(json_equal(in.meta, want) && !json_equal(in.meta, s.meta),
	        "it is described as before, without places of the host");
	ok(pread(in.files.volumes, sessions, sizeof sessions - 1, 0) > 0, "there are sessions");
	is_str(sessions, SESSIONS, "what the servers know");
	ok(is_same(to.fd), "and the files");
	n = pread(fd, bytes, sizeof bytes, 0);
	ok(n > 500 && n < (ssize_t)sizeof bytes && pread(again, bytes2, sizeof bytes2, 0) == n &&
	                !memcmp(bytes, bytes2, (size_t)n),
	        "exported again it is the same archive");
	pack_in_free(&in);
	snapshot_files_close(&in.files);
	snapshot_close(&s);
}

static void described(void)
{
	static const struct {
		const char *with, *why;
	} bad[] = {{"{\"anonymous\": false}", "its volume 0: it is of another host"},
	        {"{\"source\": \"/etc\"}", "its volume 0: it is not described"},
	        {"{\"name\": \"theirs\"}", "its volume 0: it is not described"},
	        {"{\"destination\": \"own\"}", "its volume 0: 'own' is not an absolute path"},
	        {"{\"destination\": \"/own/../etc\"}", "'/own/../etc' has '..' in it"},
	        {"{\"destination\": \"//own\"}", "its volume 0: it is not described"},
	        {"{\"destination\": \"/proc/1\"}", "/proc/1 is the container's own /proc"},
	        {"{\"destination\": \"/own/ro\"}", "its volume 1: it is at the place of another"},
	        {"{\"words\": \"U\"}", "its volume 0: the option U"},
	        {"{\"words\": \"root\"}", "its volume 0: 'root' is not a known option"},
	        {"{\"words\": \"ro\"}", "its volume 0: it is not described"},
	        {"{\"words\": \"idmap=uids=0-0-1;gids=0-0-1\"}", "it is of another host"},
	        {"{\"type\": \"file\"}", "its volume 0: it is not described"},
	        {"{\"options\": [\"rw\", \"suid\"]}", "its volume 0: it is not described"},
	        {"{\"copyUp\": 1}", "its volume 0: it is not described"},
	        {"{\"more\": 1}", "its volume 0: it is not described"},
	        {"{\"at\": 1}", "its volume 0: it is not described"},
	        {"{\"size\": -1}", "its volume 0: it is not described"},
	        {"{\"size\": 11}", "its volume 1: it is not described"},
	        {"{\"size\": 9223372036854775807}", "its volume 1"}};
	auto_tmpdir struct tmpdir d = tmpdir_make();
	struct snapshot s = with_volumes(&d);
	auto_json json_t *good = pack_volumes_meta(s.meta);
	uint64_t sessions = 0;
	struct err e;

	ok(pack_volumes_check(good, &sessions, &e) == 0 && sessions == 25, "what is good is taken");
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		auto_json json_t *meta = json_deep_copy(good),
		                 *with = json_loads(bad[i].with, 0, NULL);

		json_object_update(json_array_get(json_object_get(meta, "volumes"), 0), with);
		e = (struct err){.text = ""};
		ok(pack_volumes_check(meta, &sessions, &e) < 0 && e.status == FCVM_EX_DATA,
		        "refused: %s", bad[i].with);
		has_str(e.text, bad[i].why, "and why");
	}
	json_object_set_new(good, "kind", json_string(SNAPSHOT_DISK));
	ok(pack_volumes_check(good, &sessions, &e) < 0, "a disk alone has no volumes");
	json_object_set_new(good, "kind", json_string("memory"));
	json_object_set_new(json_object_get(good, "machine"), "ports", json_integer(3));
	ok(pack_volumes_check(good, &sessions, &e) < 0, "nor are there more or fewer than ports");
	json_object_set_new(good, "volumes", json_object());
	ok(pack_volumes_check(good, &sessions, &e) < 0, "or what is no list");
	snapshot_close(&s);
}

static char *contents(int fd, size_t *n)
{
	char *text;

	*n = (size_t)lseek(fd, 0, SEEK_END);
	text = calloc(1, *n + 1);
	if (!text || pread(fd, text, *n, 0) != (ssize_t)*n)
		abort();
	close(fd);
	return text;
}

/* Uncompressed, with these members behind the memory. What was wrong, and nothing is beside. */
static const char *read_members(const struct member *last)
{
	auto_tmpdir struct tmpdir d = tmpdir_make(), to = tmpdir_make();
	struct snapshot s = with_volumes(&d);
	auto_json json_t *doc = pack_volumes_meta(s.meta);
	auto_free char *meta = NULL;
	struct member m[12] = {{.name = "meta.json"}, {.name = "plan.json", .data = PLAN},
	        {.name = "state", .data = "x"}, {.name = "root.sqfs", .data = "x"},
	        {.name = "scratch", .data = "", .size = SCRATCH},
	        {.name = "memory", .data = "", .size = MEMORY}};
	const char *said;
	struct stat st;
	int fd;

	meta = json_dumps(doc, 0);
	m[0].data = meta;
	for (size_t i = 0; last[i].name; i++)
		m[6 + i] = last[i];
	fd = plain_archive(m);
	said = read_it(fd, to.fd, ROOM);
	if (tmpdir_count(&to) > 1 || fstatat(to.fd, "volume-0/beside", &st, 0) == 0)
		ok(false, "something is beside the volume");
	close(fd);
	snapshot_close(&s);
	return said;
}

static void hostile(void)
{
	const struct member top = {.name = ".", .type = AE_IFDIR};
	const struct member leaving[] = {top, {.name = "../beside", .data = "x"}, {.name = NULL}};
	const struct member other[] = {top, {.name = "f", .uid = UINT32_MAX}, {.name = NULL}};
	const struct member fine[] = {top, {.name = "f", .data = "x"}, {.name = NULL}};
	const struct member volumes = {.name = "volumes", .data = SESSIONS};
	struct member tar = {.name = "volume-0.tar"};
	size_t n;
	auto_free char *bad = contents(plain_archive(leaving), &n);
	auto_free char *bad2 = NULL, *good = NULL, *padded = NULL;

	has_str(read_members((struct member[]){{.name = "manifest.json", .data = "{}"}, {0}}),
	        "it has 'manifest.json' where its volumes should be", "without sessions");
	has_str(read_members((struct member[]){{.name = "volumes", .data = "short"}, {0}}),
	        "its volumes is not of the size that its meta.json says", "too few of them");
	has_str(read_members(
	                (struct member[]){volumes, {.name = "manifest.json", .data = "{}"}, {0}}),
	        "it has 'manifest.json' where its volume-0.tar should be", "without files");
	tar.data = bad;
	tar.len = n;
	is_str(read_members((struct member[]){volumes, tar, {0}}),
	        "its volume-0.tar: '../beside' is no name below its top", "a name that leaves");
	tar.data = bad2 = contents(plain_archive(other), &tar.len);
	is_str(read_members((struct member[]){volumes, tar, {0}}),
	        "its volume-0.tar: 'f' has an owner that cannot be", "an owner");
	tar.data = "no tar at all, but long enough";
	tar.len = 0;
	has_str(read_members((struct member[]){volumes, tar, {0}}),
	        "its volume-0.tar: it is damaged", "what is no tar");
	tar.data = "behind a hole";
	tar.size = 100000;
	has_str(read_members((struct member[]){volumes, tar, {0}}),
	        "its volume-0.tar has data where there can be none", "a hole in it");
	tar.size = 0;
	tar.data = good = contents(plain_archive(fine), &tar.len);
	has_str(read_members((struct member[]){volumes, tar, {0}}), "it has no manifest.json",
	        "without an end");
	has_str(read_members(
	                (struct member[]){volumes, tar, {.name = "volume-1.tar", .data = ""}, {0}}),
	        "it has 'volume-1.tar' where its manifest.json should be",
	        "files of a volume that has none");
	padded = xcalloc(1, tar.len + PADDING);
	memcpy(padded, good, tar.len);
	tar.data = padded;
	tar.len += PADDING;
	has_str(read_members((struct member[]){volumes, tar, {0}}), "it has no manifest.json",
	        "what comes behind its end means nothing");
	tar.len -= PADDING;
	has_str(read_members((struct member[]){volumes, tar,
	                {.name = "manifest.json",
	                        .data = "{\"fcvmSnapshotArchive\":1,\"tag\":\"t\",\"files\":{}}"},
	                {0}}),
	        "is not what its manifest says", "without a hash");
}

/* Whether it is refused, or gives just what it was made of. */
static bool is_harmless(int fd)
{
	auto_tmpdir struct tmpdir to = tmpdir_make();

	return *read_it(fd, to.fd, ROOM) || is_same(to.fd);
}

static void changed(void)
{
	auto_tmpdir struct tmpdir d = tmpdir_make(), to = tmpdir_make();
	struct snapshot s = with_volumes(&d);
	auto_fd int fd = archive_of(&s);
	off_t size = lseek(fd, 0, SEEK_END);
	int taken = 0;

	is_str(read_it(fd, to.fd, ROOM), "", "it is taken");
	for (off_t i = 0; i < size; i += 11) {
		char was = 0, is;

		if (pread(fd, &was, 1, i) != 1)
			abort();
		is = (char)(was ^ 1);
		if (pwrite(fd, &is, 1, i) != 1)
			abort();
		taken += !is_harmless(fd);
		if (pwrite(fd, &was, 1, i) != 1)
			abort();
	}
	is_int(taken, 0, "one with another byte gives nothing else");
	for (off_t i = size - 1; i > 0; i -= 31) {
		auto_tmpdir struct tmpdir half = tmpdir_make();

		taken += ftruncate(fd, i) < 0 || !*read_it(fd, half.fd, ROOM);
	}
	is_int(taken, 0, "none that is cut short is taken");
	snapshot_close(&s);
}

static void limits(void)
{
	auto_tmpdir struct tmpdir d = tmpdir_make(), to = tmpdir_make(), to2 = tmpdir_make(),
	                          to3 = tmpdir_make();
	struct snapshot s = with_volumes(&d);
	char name[64];
	int fd;

	for (int i = 0; i < 100; i++) {
		snprintf(name, sizeof name, "volume-0/data/dir%d", i);
		if (mkdirat(d.fd, name, 0700) < 0)
			abort();
	}
	fd = archive_of(&s);
	has_str(read_it(fd, to.fd, 400 << 10), "it unpacks to more than 0 MiB, which is the limit",
	        "files without contents take room, too");
	has_str(read_it(fd, to2.fd, 500 << 10), "it unpacks to more than 0 MiB, which is the limit",
	        "beside what the archive has");
	is_str(read_it(fd, to3.fd, 700 << 10), "", "and have it");
	close(fd);
	snapshot_close(&s);
}

int main(void)
{
	signal(SIGPIPE, SIG_IGN);
	whose();
	round_trip();
	described();
	hostile();
	changed();
	limits();
	return done();
}
