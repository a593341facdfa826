/* SPDX-License-Identifier: MIT */
#include "posix.h"

#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>

static int run(struct suite *s, int dir, const char *p)
{
	(void)s;
	return dir == AT_FDCWD ? unlink(p) : unlinkat(dir, p, 0);
}

static void types(struct suite *s)
{
	for (enum type t = REG; t < TYPES; t++) {
		char *p = make(s, t), *other = fresh(s), *link_to = fresh(s);

		must(symlink(p, link_to));
		if (t != DIRECTORY)
			must(link(p, other));
		expect(s, t == DIRECTORY ? EISDIR : 0, unlink(p), "unlink of a %s", type_name(t));
		same(s, exists(p), t == DIRECTORY, "the %s is %s", type_name(t),
		        t == DIRECTORY ? "left" : "gone");
		if (t != DIRECTORY) {
			same(s, links_of(other), 1, "the other link of a %s is its last",
			        type_name(t));
			same(s, look(other).st_mode & S_IFMT, type_bits(t),
			        "the other link of a %s is one still", type_name(t));
		}
		expect(s, 0, unlink(link_to), "unlink of a symlink to a %s", type_name(t));
		if (t == DIRECTORY)
			holds(s, exists(p), "and not of the directory");
		else
			expect(s, ENOTDIR, unlinkat(AT_FDCWD, other, AT_REMOVEDIR),
			        "unlinkat of a %s as a directory", type_name(t));
	}
}

static void rights(struct suite *s)
{
	for (enum who w = OWNER; w < WHOS; w++)
		for (mode_t mode = 0; mode < 8; mode++) {
			char *dir = make_dir(s, 0777, ROOT), *p = path(s, "%s/x", dir);

			make_at(REG, p);
			give(p, OWNER);
			must(chmod(p, mode | mode << 3 | mode << 6));
			expect(s, 0, AS(s, w, unlink(p)), "unlink of a file with bits %o by %s",
			        mode, who_name(w));
		}
	for (enum who w = OWNER; w < WHOS; w++) {
		char *dir = make_dir(s, 0777, ROOT), *p = path(s, "%s/x", dir);

		must(mkdir(p, 0755));
		expect(s, EISDIR, AS(s, w, unlink(p)), "unlink of a directory by %s", who_name(w));
	}
}

/* A file lives on while something holds it. */
static void still_open(struct suite *s)
{
	char *p = make_file(s, "hello", 0644, ROOT), buf[8] = "", *map;
	int fd = must(open(p, O_RDWR | O_CLOEXEC));
	struct stat st;

	map = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	must(map == MAP_FAILED ? -1 : 0);
	must(unlink(p));
	expect(s, ENOENT, open_close(open(p, O_RDONLY | O_CLOEXEC)), "opening what was unlinked");
	expect(s, 0, fstat(fd, &st), "fstat of an unlinked file");
	same(s, st.st_nlink, 0, "an unlinked file has no links");
	same(s, st.st_size, 5, "an unlinked file has its size");
	same(s, pread(fd, buf, 8, 0), 5, "reading an unlinked file");
	holds(s, memcmp(buf, "hello", 5) == 0, "its content is there");
	same(s, pwrite(fd, "world!", 6, 0), 6, "writing an unlinked file");
	same(s, pread(fd, buf, 8, 0), 6, "reading what was written");
	holds(s, memcmp(map, "world!", 6) == 0, "a mapping shows it");
	map[0] = 'W';
	must(msync(map, 4096, MS_SYNC));
	must(pread(fd, buf, 8, 0));
	same(s, buf[0], 'W', "what a mapping wrote is read");
	expect(s, 0, ftruncate(fd, 100), "ftruncate of an unlinked file");
	expect(s, 0, fchmod(fd, 0600), "fchmod of an unlinked file");
	expect(s, 0, fchown(fd, 1, 2), "fchown of an unlinked file");
	must(fstat(fd, &st));
	same(s, st.st_size, 100, "its new size");
	same(s, st.st_mode & 07777, 0600, "its new mode");
	same(s, st.st_uid, 1, "its new user");
	expect(s, 0, fsync(fd), "fsync of an unlinked file");
	expect(s, 0, futimens(fd, NULL), "futimens of an unlinked file");
	make_at(REG, p);
	same(s, size_of(p), 0, "a new file of that name is another");
	holds(s, look(p).st_ino != st.st_ino, "with another inode");
	must(munmap(map, 4096));
	must(close(fd));
}

static void many_links(struct suite *s)
{
	char *p = make_file(s, "x", 0644, ROOT), *dir = make(s, DIRECTORY);
	int fd = must(open(p, O_RDONLY | O_CLOEXEC));
	struct stat st;

	for (int i = 0; i < 20; i++)
		must(link(p, path(s, "%s/%d", dir, i)));
	for (int i = 0; i < 20; i++) {
		must(unlink(path(s, "%s/%d", dir, i)));
		must(fstat(fd, &st));
		same(s, st.st_nlink, 20 - (nlink_t)i, "links after unlink %d", i + 1);
	}
	must(close(fd));
	expect(s, ENOENT, unlink(path(s, "%s/0", dir)), "unlink of what was unlinked");
	expect(s, 0, rmdir(dir), "the directory is empty");
}

/* A bound socket is a name like others. */
static void bound(struct suite *s)
{
	struct sockaddr_un sun = {.sun_family = AF_UNIX};
	int fd = must(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));

	snprintf(sun.sun_path, sizeof sun.sun_path, "%s", fresh(s));
	expect(s, 0, bind(fd, (struct sockaddr *)&sun, sizeof sun), "binding a socket");
	same(s, look(sun.sun_path).st_mode & S_IFMT, S_IFSOCK, "its name is a socket");
	must(listen(fd, 1));
	must(close(fd));
	fd = must(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
	expect(s, EADDRINUSE, bind(fd, (struct sockaddr *)&sun, sizeof sun),
	        "binding a name again");
	expect(s, ECONNREFUSED, connect(fd, (struct sockaddr *)&sun, sizeof sun),
	        "connecting when nobody listens");
	expect(s, 0, unlink(sun.sun_path), "unlink of its name");
	expect(s, ENOENT, connect(fd, (struct sockaddr *)&sun, sizeof sun),
	        "connecting to no name");
	expect(s, 0, bind(fd, (struct sockaddr *)&sun, sizeof sun),
	        "binding a name that was removed");
	must(close(fd));
}

void cat_unlink(struct suite *s)
{
	static const struct op op = {"unlink", run, REG, REMOVES | NOFOLLOW},
	                       fifo = {"unlink of a fifo", run, FIFO, REMOVES | NOFOLLOW};
	static const enum type all[] = {REG, FIFO, SOCK, CHR, BLK, LNK};

	op_matrix(s, &op);
	times_matrix(s, &fifo);
	sticky_matrix(s, &op, all, COUNT(all));
	types(s);
	rights(s);
	still_open(s);
	many_links(s);
	bound(s);
	expect(s, EISDIR, unlink("."), "unlink of .");
	expect(s, EISDIR, unlink(".."), "unlink of ..");
	expect(s, EISDIR, unlink("/"), "unlink of the root");
	expect(s, EINVAL, unlinkat(AT_FDCWD, make(s, REG), 1 << 20), "unlinkat with a wrong flag");
}
