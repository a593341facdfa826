/* SPDX-License-Identifier: MIT
 * Archives of a hostile VM as files of the host, and names on their way to a VM. */
#include "cleanup.h"
#include "cp_flow.h"
#include "cp_names.h"
#include "status.h"
#include "strv.h"
#include "tap.h"
#include "tmpdir.h"

#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

struct item {
	const char *name;
	mode_t mode;
	const char *data, *link, *hard;
};

/* An archive of entries until one without a name, as a descriptor to read. */
static int archive_of(const struct item *items)
{
	struct archive *a = archive_write_new();
	int fd = memfd_create("archive", MFD_CLOEXEC);

	archive_write_set_format_gnutar(a);
	if (fd < 0 || archive_write_open_fd(a, fd) != ARCHIVE_OK)
		abort();
	for (; items->name; items++) {
		struct archive_entry *entry = archive_entry_new();

		archive_entry_set_pathname(entry, items->name);
		archive_entry_set_mode(entry, items->mode);
		archive_entry_set_size(entry, items->data ? (int64_t)strlen(items->data) : 0);
		archive_entry_set_mtime(entry, 1000000000, 0);
		if (items->link)
			archive_entry_set_symlink(entry, items->link);
		if (items->hard)
			archive_entry_set_hardlink(entry, items->hard);
		if (archive_write_header(a, entry) < ARCHIVE_WARN)
			abort();
		if (items->data)
			archive_write_data(a, items->data, strlen(items->data));
		archive_entry_free(entry);
	}
	archive_write_free(a);
	lseek(fd, 0, SEEK_SET);
	return fd;
}

/* Extracts into DIR/in and comes back. */
static enum flow_end extract(const struct tmpdir *d, int archive, struct flow f, struct err *e)
{
	auto_fd int here = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), from = archive, to = -1;
	enum flow_end end;

	mkdirat(d->fd, "in", 0755);
	to = openat(d->fd, "in", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	f.from = FLOW_VM;
	f.from_fd = from;
	f.to_fd = to;
	*e = (struct err){.text = ""};
	end = flow_run(&f, e);
	if (fchdir(here) < 0)
		abort();
	return end;
}

static const char *text(const struct tmpdir *d, const char *path)
{
	static char buf[64];
	auto_free char *out = NULL;
	size_t n = 0;

	if (read_file_at(d->fd, path, sizeof buf - 1, &out, &n) < 0)
		return NULL;
	memcpy(buf, out, n + 1);
	return buf;
}

static mode_t mode(const struct tmpdir *d, const char *path)
{
	struct stat st;

	return fstatat(d->fd, path, &st, AT_SYMLINK_NOFOLLOW) < 0 ? 0 : st.st_mode;
}

static void good(void)
{
	static const struct item items[] = {{.name = "./", .mode = S_IFDIR | 0750},
	        {.name = "./ro", .mode = S_IFDIR | 0500},
	        {.name = "./ro/f", .mode = S_IFREG | 06755, .data = "text"},
	        {.name = "./ro/g", .mode = S_IFREG | 0640, .hard = "./ro/f"},
	        {.name = "./l", .mode = S_IFLNK | 0777, .link = "/etc/passwd"},
	        {.name = "./null", .mode = S_IFCHR | 0666}, {.name = NULL}};
	auto_tmpdir struct tmpdir d = tmpdir_make();
	struct err e;
	struct stat st;

	is_int(extract(&d, archive_of(items), (struct flow){.name = "top"}, &e), FLOW_DONE,
	        "copied");
	is_str(e.text, "", "no error");
	is_int(mode(&d, "in/top"), S_IFDIR | 0750, "the top has its name and mode");
	is_int(mode(&d, "in/top/ro"), S_IFDIR | 0500, "a directory's mode is set after its files");
	is_int(mode(&d, "in/top/ro/f"), S_IFREG | 0755, "set-ID bits are not taken over");
	is_str(text(&d, "in/top/ro/g"), "text", "a hard link has the contents");
	is_int(mode(&d, "in/top/l") & S_IFMT, S_IFLNK, "a link stays one");
	is_int(mode(&d, "in/top/null"), 0, "no device");
	fstatat(d.fd, "in/top/ro", &st, 0);
	is_int(st.st_mtime, 1000000000, "a directory has its time");
	is_int(extract(&d, archive_of(items), (struct flow){.name = "top"}, &e), FLOW_DONE,
	        "again");
	is_int(extract(&d, archive_of(items), (struct flow){.name = NULL}, &e), FLOW_DONE,
	        "only the contents");
	is_int(mode(&d, "in"), S_IFDIR | 0755, "the destination stays as it is");
	is_str(text(&d, "in/ro/f"), "text", "the contents are there");
}

static void one_file(void)
{
	static const struct item two[] = {{.name = "./a", .mode = S_IFREG | 0644, .data = "a"},
	        {.name = "./b", .mode = S_IFREG | 0644, .data = "b"}, {.name = NULL}};
	static const struct item link[] = {
	        {.name = "./a", .mode = S_IFLNK | 0777, .link = "/etc"}, {.name = NULL}};
	static const struct item none[] = {{.name = NULL}};
	const struct flow f = {.file = "a", .name = "x"};
	auto_tmpdir struct tmpdir d = tmpdir_make();
	struct err e;

	is_int(extract(&d, archive_of(two), f, &e), FLOW_REFUSED, "two files for one");
	is_str(e.text, "./b: the archive has more than the one file", "is said");
	is_str(text(&d, "in/x"), "a", "the first has the name that was asked for");
	is_int(extract(&d, archive_of(link), f, &e), FLOW_REFUSED, "a link for a file");
	is_int(extract(&d, archive_of(none), f, &e), FLOW_BAD_IN, "nothing for a file");
}

static void cut_off(void)
{
	static const struct item items[] = {
	        {.name = "./f", .mode = S_IFREG | 0644, .data = "0123456789"}, {.name = NULL}};
	auto_tmpdir struct tmpdir d = tmpdir_make();
	struct err e;
	int fd = archive_of(items);

	if (ftruncate(fd, 515) < 0)
		abort();
	is_int(extract(&d, fd, (struct flow){.name = NULL}, &e), FLOW_BAD_IN, "a cut archive");
	is_int(mode(&d, "in/f"), 0, "half a file is not left");
}

/* Each of these would get outside of "in". */
static void hostile(void)
{
	static const struct {
		struct item items[4];
		const char *what;
	} cases[] = {
	        {{{.name = "../x", .mode = S_IFREG | 0644, .data = "bad"}}, "a name with .."},
	        {{{.name = "./a/../../x", .mode = S_IFREG | 0644, .data = "bad"}}, ".. inside"},
	        {{{.name = "./a", .mode = S_IFLNK | 0777, .link = ".."},
	                 {.name = "./a/x", .mode = S_IFREG | 0644, .data = "bad"}},
	                "through a link that it made"},
	        {{{.name = "./a", .mode = S_IFLNK | 0777, .link = ".."},
	                 {.name = "./a/x", .mode = S_IFDIR | 0755}},
	                "a directory through a link"},
	        {{{.name = "./there/x", .mode = S_IFREG | 0644, .data = "bad"}},
	                "through a link that was there"},
	        {{{.name = "./a", .mode = S_IFREG | 0644, .hard = "../victim"}},
	                "a hard link to .."},
	        {{{.name = "./a", .mode = S_IFREG | 0644, .hard = "./there/victim"}},
	                "a hard link through a link"},
	        {{{.name = "./f", .mode = S_IFLNK | 0777, .link = "../x"},
	                 {.name = "./g", .mode = S_IFREG | 0644, .data = "bad", .hard = "./f"}},
	                "data through a hard link to a link"},
	};

	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		auto_tmpdir struct tmpdir d = tmpdir_make();
		struct err e;

		mkdirat(d.fd, "in", 0755);
		if (symlinkat("..", d.fd, "in/there") < 0)
			abort();
		write_file_at(d.fd, "victim", "good", 4, 0644);
		extract(&d, archive_of(cases[i].items), (struct flow){.overwrite = true}, &e);
		is_int(tmpdir_count(&d), 2, "%s: nothing is outside: %s", cases[i].what, e.text);
		is_str(text(&d, "victim"), "good", "%s: another file is left alone", cases[i].what);
		is_str(text(&d, "in/a"), NULL, "%s: nor is it to be had", cases[i].what);
	}
}

static void absolute(void)
{
	static const struct item items[] = {
	        {.name = "/x", .mode = S_IFREG | 0644, .data = "below"}, {.name = NULL}};
	auto_tmpdir struct tmpdir d = tmpdir_make();
	struct err e;

	is_int(extract(&d, archive_of(items), (struct flow){.name = NULL}, &e), FLOW_DONE,
	        "an absolute name");
	is_str(text(&d, "in/x"), "below", "is below the destination");
}

static void overwrite(void)
{
	static const struct item dir[] = {{.name = "./x", .mode = S_IFDIR | 0755}, {.name = NULL}};
	static const struct item file[] = {
	        {.name = "./x", .mode = S_IFREG | 0644, .data = "new"}, {.name = NULL}};
	const struct flow plain = {.overwrite = false}, over = {.overwrite = true};
	auto_tmpdir struct tmpdir d = tmpdir_make();
	struct err e;

	mkdirat(d.fd, "in", 0755);
	write_file_at(d.fd, "in/x", "old", 3, 0644);
	is_int(extract(&d, archive_of(dir), plain, &e), FLOW_REFUSED, "a directory over a file");
	is_str(e.text, "x: it is there and is no directory: see --overwrite", "is said");
	is_str(text(&d, "in/x"), "old", "which is kept");
	is_int(extract(&d, archive_of(dir), over, &e), FLOW_DONE, "unless it may be overwritten");
	write_file_at(d.fd, "in/x/y", "y", 1, 0644);
	is_int(extract(&d, archive_of(file), plain, &e), FLOW_REFUSED, "a file over a directory");
	is_str(text(&d, "in/x/y"), "y", "which is kept");
	is_int(extract(&d, archive_of(file), over, &e), FLOW_DONE, "unless it may be overwritten");
	is_str(text(&d, "in/x"), "new", "with what is in it");
	is_int(extract(&d, archive_of(file), plain, &e), FLOW_DONE, "a file over a file");
}

static void below(void)
{
	static const struct {
		const char *path, *want;
	} cases[] = {{".", ""}, {"./", ""}, {"/", ""}, {"", ""}, {"./a", "a"}, {"a/", "a"},
	        {"//a//./b/.", "a/b"}, {"..a/b..", "..a/b.."}, {"..", NULL}, {"a/..", NULL},
	        {"a/../b", NULL}, {"\xff\n", "\xff\n"}};

	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		auto_free char *got = names_below(cases[i].path);

		is_str(got, cases[i].want, "below: '%s'", cases[i].path);
	}
}

/* A directory comes again when it is complete, and is someone's whom the host does not know. */
static void to_vm(void)
{
	static const struct item items[] = {{.name = "./", .mode = S_IFDIR | 0755},
	        {.name = "./d", .mode = S_IFDIR | 0755},
	        {.name = "./d/f", .mode = S_IFREG | 04755, .data = "text"},
	        {.name = "./z", .mode = S_IFREG | 0644}, {.name = NULL}};
	static const char *const want[] = {"t/", "t/d/", "t/d/f", "t/d/./", "t/z", "t/./"};
	auto_fd int from = archive_of(items), to = memfd_create("out", MFD_CLOEXEC);
	struct flow f = {.from = FLOW_VM,
	        .to = FLOW_VM,
	        .from_fd = from,
	        .to_fd = to,
	        .name = "t",
	        .chown = true,
	        .uid = 1000,
	        .gid = 50};
	struct archive *a = archive_read_new();
	struct archive_entry *entry;
	struct err e = {.text = ""};
	size_t i = 0;

	is_int(flow_run(&f, &e), FLOW_DONE, "from VM to VM");
	lseek(to, 0, SEEK_SET);
	archive_read_support_format_tar(a);
	archive_read_open_fd(a, to, 10240);
	for (; archive_read_next_header(a, &entry) == ARCHIVE_OK && i < 6; i++) {
		is_str(archive_entry_pathname(entry), want[i], "entry %zu", i);
		is_int(archive_entry_uid(entry), 1000, "is the user's");
		is_int(archive_entry_gid(entry), 50, "and the group's");
		if (i == 2)
			is_int(archive_entry_perm(entry), 04755, "with its mode");
	}
	is_int(i, 6, "all entries");
	archive_read_free(a);
}

int main(void)
{
	good();
	one_file();
	cut_off();
	hostile();
	absolute();
	overwrite();
	below();
	to_vm();
	return done();
}
