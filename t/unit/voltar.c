/* SPDX-License-Identifier: MIT
 * Files of a volume as a stream: what goes in comes out, whatever it is called; what would leave
 * its directory is refused. */
#include "fcvm-snapshot/voltar.h"
#include "cleanup.h"
#include "plaintar.h"
#include "status.h"
#include "strv.h"
#include "tap.h"
#include "tmpdir.h"

#include <signal.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

#define ROOM ((uint64_t)64 << 20)

static int make_dir(int dir, const char *name)
{
	int fd;

	if (mkdirat(dir, name, 0755) < 0)
		abort();
	fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		abort();
	return fd;
}

static int make_file(int dir, const char *name, const char *text)
{
	int fd = openat(dir, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0644);

	if (fd < 0 || write_full(fd, text, strlen(text)) < 0)
		abort();
	return fd;
}

static void must(int r)
{
	if (r < 0)
		abort();
}

/* Every byte that a name may have, one that is no UTF-8, and one of the greatest length. */
static void make_names(int top)
{
	char bytes[256], longest[256];
	size_t n = 0;

	for (int c = 1; c < 256; c++)
		if (c != '/')
			bytes[n++] = (char)c;
	bytes[n] = 0;
	memset(longest, 'n', 255);
	longest[255] = 0;
	close(make_file(top, bytes, "bytes"));
	close(make_file(top, longest, "long"));
	close(make_file(top, "caf\xc3\xa9", "utf-8"));
	must(symlinkat("caf\xe9/..", top, "\xff"));
}

/* A path that no call would take at once. */
static void make_deep(int top)
{
	char name[201];
	int fd = dup(top);

	memset(name, 'd', 200);
	name[200] = 0;
	for (int i = 0; i < 30; i++) {
		int below = make_dir(fd, name);

		close(fd);
		fd = below;
	}
	close(make_file(fd, "file", "deep"));
	must(linkat(fd, "file", top, "deep", 0));
	must(linkat(fd, "file", fd, "again", 0));
	close(fd);
}

static void make_kinds(int top)
{
	const struct timespec then[2] = {
	        {.tv_sec = 1}, {.tv_sec = 981173106, .tv_nsec = 123456789}};
	int fd, dir = make_dir(top, "dir");

	close(make_file(dir, "one", "of three names"));
	must(linkat(dir, "one", top, "another", 0));
	must(linkat(dir, "one", dir, "third", 0));
	must(symlinkat("/etc/passwd", top, "absolute"));
	must(symlinkat("../../..", dir, "up"));
	must(linkat(top, "absolute", top, "absolute2", 0));
	must(mknodat(top, "fifo", S_IFIFO | 0620, 0));
	must(mknodat(top, "socket", S_IFSOCK | 0700, 0));
	must(linkat(top, "socket", dir, "socket", 0));
	if (geteuid() == 0) {
		must(mknodat(top, "char", S_IFCHR | 0600, makedev(1, 3)));
		must(mknodat(top, "block", S_IFBLK | 0600, makedev(700, 70000)));
		must(fchownat(top, "fifo", 70, 4000000000U, 0));
		must(fchownat(top, "absolute", 71, 72, AT_SYMLINK_NOFOLLOW));
		must(fchownat(dir, "", 1000, 1001, AT_EMPTY_PATH));
	}
	fd = make_file(top, "program", "#!");
	must(fchmod(fd, 06751));
	must(futimens(fd, then));
	close(fd);
	must(utimensat(top, "absolute", then, AT_SYMLINK_NOFOLLOW));
	must(utimensat(top, "fifo", then, AT_SYMLINK_NOFOLLOW));
	fd = make_file(top, "hole", "begin");
	must(pwrite_full(fd, "middle", 6, 8 << 20));
	must(ftruncate(fd, 16 << 20));
	close(fd);
	fd = make_file(top, "nothing but a hole", "");
	must(ftruncate(fd, 5 << 20));
	close(fd);
	close(make_file(top, "empty", ""));
	must(fchmod(dir, 03775));
	must(futimens(dir, then));
	close(dir);
	must(fchmod(top, 01755));
	must(futimens(top, then));
}

/* Where the file system can: whether there are any. */
static bool make_xattrs(int top)
{
	static const unsigned char acl[] = {2, 0, 0, 0, 1, 0, 6, 0, 255, 255, 255, 255, 2, 0, 4, 0,
	        5, 0, 0, 0, 4, 0, 4, 0, 255, 255, 255, 255, 16, 0, 4, 0, 255, 255, 255, 255, 32, 0,
	        0, 0, 255, 255, 255, 255};
	auto_fd int fd = make_file(top, "with attributes", "x");

	if (fsetxattr(fd, "user.one", "a\0b", 3, 0) < 0)
		return false;
	must(fsetxattr(top, "user.top", "", 0, 0));
	must(fsetxattr(fd, "system.posix_acl_access", acl, sizeof acl, 0));
	if (geteuid() == 0)
		must(fsetxattr(fd, "trusted.of.the.host", "x", 1, 0));
	return true;
}

static int stream_of(int top, uint64_t *size)
{
	int fd = memfd_create("stream", MFD_CLOEXEC);
	struct err e;
	uint64_t n;

	if (voltar_write(top, -1, size, &e) < 0 || voltar_write(top, fd, &n, &e) < 0) {
		diag("%s", e.text);
		abort();
	}
	is_int(*size, n, "its size is known before");
	lseek(fd, 0, SEEK_SET);
	return fd;
}

static bool same_stream(int a, int b)
{
	char x[4096], y[4096];
	ssize_t n;

	lseek(a, 0, SEEK_SET);
	lseek(b, 0, SEEK_SET);
	do {
		n = read_full(a, x, sizeof x);
		if (n < 0 || read_full(b, y, sizeof y) != n || memcmp(x, y, (size_t)n) != 0)
			return false;
	} while (n > 0);
	return true;
}

static void check_copy(int copy, bool xattrs)
{
	struct stat st, other;
	char value[8];
	auto_fd int fd = openat(copy, "with attributes", O_RDONLY);

	ok(fstatat(copy, "another", &st, 0) == 0 && fstatat(copy, "dir/third", &other, 0) == 0 &&
	                st.st_ino == other.st_ino && st.st_nlink == 3,
	        "one file has its three names");
	ok(fstatat(copy, "hole", &st, 0) == 0 && st.st_size == 16 << 20 &&
	                st.st_blocks * 512 < 64 << 10,
	        "holes are holes");
	ok(fstatat(copy, "dir", &st, 0) == 0 && st.st_mode == (S_IFDIR | 03775) &&
	                st.st_mtim.tv_sec == 981173106 && st.st_mtim.tv_nsec == 123456789,
	        "a directory has its mode and time");
	ok(fstat(copy, &st) == 0 && st.st_mode == (S_IFDIR | 01755) &&
	                st.st_mtim.tv_sec == 981173106,
	        "and so has the top");
	ok(fstatat(copy, "program", &st, 0) == 0 && st.st_mode == (S_IFREG | 06751),
	        "set-user-id stays");
	ok(fstatat(copy, "socket", &st, 0) == 0 && st.st_mode == (S_IFSOCK | 0700),
	        "a socket is one");
	if (geteuid() == 0)
		ok(fstatat(copy, "fifo", &st, 0) == 0 && st.st_uid == 70 &&
		                st.st_gid == 4000000000U,
		        "owners are numbers");
	if (!xattrs)
		return;
	ok(fgetxattr(fd, "user.one", value, sizeof value) == 3 && !memcmp(value, "a\0b", 3) &&
	                fgetxattr(fd, "system.posix_acl_access", NULL, 0) == 44 &&
	                fgetxattr(fd, "trusted.of.the.host", NULL, 0) < 0,
	        "attributes are the container's, and no others");
}

static void round_trip(void)
{
	auto_tmpdir struct tmpdir d = tmpdir_make();
	auto_fd int top = make_dir(d.fd, "top"), copy = make_dir(d.fd, "copy"), fd = -1, again = -1;
	struct voltar_room room = {.bytes = ROOM};
	bool xattrs = make_xattrs(top);
	struct err e = {.text = ""};
	uint64_t size, size2;

	make_names(top);
	make_deep(top);
	make_kinds(top);
	fd = stream_of(top, &size);
	if (!is_int(voltar_read(fd, copy, &room, &e), 0, "it is read"))
		diag("%s", e.text);
	ok(room.entries > 50 && room.bytes < ROOM - 50 * 4096, "what it took is counted");
	again = stream_of(copy, &size2);
	ok(size == size2 && same_stream(fd, again), "what was read gives the same stream");
	check_copy(copy, xattrs);
}

/* Reads it into a directory with something beside; "" if nothing was wrong. */
static const char *read_it(const struct member *m, uint64_t bytes, int *status)
{
	static struct err e;
	auto_tmpdir struct tmpdir d = tmpdir_make();
	auto_fd int top = make_dir(d.fd, "top"), fd = plain_archive(m);
	struct voltar_room room = {.bytes = bytes};
	struct stat st;

	close(make_file(d.fd, "beside", "x"));
	e = (struct err){.text = ""};
	lseek(fd, 0, SEEK_SET);
	if (voltar_read(fd, top, &room, &e) < 0 && !e.text[0])
		abort();
	if (tmpdir_count(&d) != 2 || fstatat(d.fd, "beside", &st, 0) < 0 || st.st_size != 1 ||
	        st.st_nlink != 1)
		ok(false, "something got out of the directory");
	*status = e.status;
	return e.text;
}

static void hostile(void)
{
	const struct member top = {.name = ".", .type = AE_IFDIR},
	                    d = {.name = "d", .type = AE_IFDIR},
	                    l = {.name = "l", .type = AE_IFLNK, .link = "../beside"},
	                    up = {.name = "up", .type = AE_IFLNK, .link = ".."},
	                    f = {.name = "f", .data = "x"};
	const struct {
		struct member m[4];
		const char *why, *what;
	} bad[] = {{{f}, "it has 'f' where its top should be", "no top"},
	        {{top, {.name = "/f", .data = "x"}}, "'/f' is no name below", "an absolute name"},
	        {{top, {.name = "../beside", .data = "x"}}, "'../beside' is no name",
	                "a name above"},
	        {{top, d, {.name = "d/../f", .data = "x"}}, "'d/../f' is no name", "one with '..'"},
	        {{top, {.name = "./f", .data = "x"}}, "'./f' is no name", "another spelling"},
	        {{top, {.name = "d//f", .data = "x"}}, "'d//f' is no name", "an empty component"},
	        {{top, {.name = "..", .type = AE_IFDIR}}, "'../' is no name",
	                "the directory above"},
	        {{top, top}, "it has its top twice", "the top twice"},
	        {{top, up, {.name = "up/beside", .data = "y"}}, "'up/beside' does not come with",
	                "a file through a link"},
	        {{top, l, {.name = "l", .data = "y"}}, "it has 'l' twice", "a file over a link"},
	        {{top, up, {.name = "up", .type = AE_IFDIR}}, "it has 'up' twice",
	                "a directory over a link"},
	        {{top, d, d}, "it has 'd' twice", "a directory twice"},
	        {{top, f, f}, "it has 'f' twice", "a file twice"},
	        {{top, d, {.name = "d", .data = "x"}}, "it has 'd' twice",
	                "a file over a directory"},
	        {{top, {.name = "d/f", .data = "x"}}, "'d/f' does not come with",
	                "one without its directory"},
	        {{top, d, f, {.name = "d/f", .data = "x"}}, "'d/f' does not come with",
	                "one behind its directory"},
	        {{top, {.name = "h", .link = "../beside"}}, "'../beside' is no file to be linked",
	                "a hard link to above"},
	        {{top, {.name = "h", .link = "/etc/passwd"}}, "'/etc/passwd' is no file to be",
	                "a hard link to anywhere"},
	        {{top, up, {.name = "h", .link = "up/beside"}},
	                "'up/beside', which is no file of it", "a hard link through a link"},
	        {{top, d, {.name = "h", .link = "d"}}, "'d', which is no file of it",
	                "a hard link to a directory"},
	        {{top, {.name = "h", .link = "h"}}, "'h', which is no file of it", "one to itself"},
	        {{top, f, d, {.name = "f", .link = "d"}}, "", "a hard link over a file"},
	        {{top, {.name = "f", .data = "x", .uid = UINT32_MAX}}, "an owner that cannot be",
	                "an owner that means none"},
	        {{top, {.name = "f", .data = "x", .attribute = "trusted.x"}},
	                "an attribute trusted.x, which no volume's has",
	                "an attribute of a host's"},
	        {{top, {.name = "f", .data = "x", .attribute = VOLTAR_SOCKET}},
	                "'f' has contents and is no file", "a socket with contents"},
	        {{top, {.name = "f", .size = (int64_t)1 << 62}}, "cannot make 'f' of",
	                "a size beyond all"}};
	const struct member good[] = {top, d, {.name = "d/f", .data = "x"}, f,
	        {.name = "h", .link = "d/f"}, {.name = NULL}};
	const struct member nothing[] = {{.name = NULL}};
	int status;

	is_str(read_it(good, ROOM, &status), "", "what is good is taken");
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		struct member m[5] = {bad[i].m[0], bad[i].m[1], bad[i].m[2], bad[i].m[3], {0}};
		const char *said = read_it(m, ROOM, &status);

		if (!ok(*said && strstr(said, bad[i].why), "%s", bad[i].what))
			diag("it said \"%s\"", said);
	}
	ok(*read_it(nothing, ROOM, &status) && status == FCVM_EX_DATA, "nothing at all");
}

static void limits(void)
{
	const struct member top = {.name = ".", .type = AE_IFDIR};
	auto_free char *data = xcalloc(1, 100001);
	const struct member large[] = {top, {.name = "f", .data = data}, {.name = NULL}};
	const struct member many[] = {
	        top, {.name = "a"}, {.name = "b"}, {.name = "c"}, {.name = NULL}};
	int status;

	memset(data, 'x', 100000);
	is_str(read_it(large, 200000, &status), "", "what fits is taken");
	is_str(read_it(large, 100000, &status), "it unpacks to more than the limit",
	        "but not more");
	is_int(status, FCVM_EX_DATA, "and that is the stream's fault");
	is_str(read_it(many, 12 << 10, &status), "", "files without contents");
	is_str(read_it(many, 11 << 10, &status), "it unpacks to more than the limit", "take room");
}

/* As an ordinary user's are, but for the ids. */
static void in_a_child(void)
{
	auto_tmpdir struct tmpdir d = tmpdir_make();
	auto_fd int from = make_dir(d.fd, "from"), to = make_dir(d.fd, "to"),
	            top = make_dir(from, "data"), fd = memfd_create("stream", MFD_CLOEXEC);
	struct voltar_room room = {.bytes = ROOM};
	uint64_t size = 0, n = 0;
	char buf[65536], text[8];
	struct err e = {.text = ""};
	struct voltar *v;
	ssize_t got;

	close(make_file(top, "file", "text"));
	v = voltar_start(from, VOLTAR_SIZE, NULL, &e);
	ok(v && voltar_end(v, &size, &e) == 0 && size > 1024, "a child counts: %s", e.text);
	v = voltar_start(from, VOLTAR_WRITE, NULL, &e);
	got = v ? read_full(voltar_fd(v), buf, sizeof buf) : -1;
	ok(v && voltar_end(v, &n, &e) == 0 && n == size && got == (ssize_t)size,
	        "and writes as much");
	v = voltar_start(to, VOLTAR_READ, &room, &e);
	ok(v && write_full(voltar_fd(v), buf, size) == 0 && voltar_end(v, NULL, &e) == 0 &&
	                room.entries == 1,
	        "another one reads it: %s", e.text);
	close(fd);
	fd = openat(to, "data/file", O_RDONLY);
	ok(read_full(fd, text, sizeof text) == 4 && !memcmp(text, "text", 4), "there is the file");
	v = voltar_start(to, VOLTAR_READ, &room, &e);
	ok(v && voltar_end(v, NULL, &e) < 0 && strstr(e.text, "File exists"), "never over another");
	unlinkat(top, "file", 0);
	unlinkat(from, "data", AT_REMOVEDIR);
	v = voltar_start(from, VOLTAR_WRITE, NULL, &e);
	ok(v && voltar_end(v, NULL, &e) < 0 && e.status == FCVM_EX_SYS, "what is gone is said");
}

int main(void)
{
	signal(SIGPIPE, SIG_IGN);
	round_trip();
	hostile();
	limits();
	in_a_child();
	return done();
}
