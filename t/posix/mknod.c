/* SPDX-License-Identifier: MIT */
#include "posix.h"

#include <sys/sysmacros.h>

static int run_file(struct suite *s, int dir, const char *p)
{
	(void)s;
	return dir == AT_FDCWD ? mknod(p, S_IFREG | 0644, 0) : mknodat(dir, p, S_IFREG | 0644, 0);
}

static int run_socket(struct suite *s, int dir, const char *p)
{
	(void)s;
	return dir == AT_FDCWD ? mknod(p, S_IFSOCK | 0644, 0) : mknodat(dir, p, S_IFSOCK | 0644, 0);
}

static int make_file_node(const char *p, mode_t mode)
{
	return mknod(p, S_IFREG | mode, 0);
}

static int make_fifo(const char *p, mode_t mode)
{
	return mknod(p, S_IFIFO | mode, 0);
}

static int make_socket(const char *p, mode_t mode)
{
	return mknod(p, S_IFSOCK | mode, 0);
}

static int make_char(const char *p, mode_t mode)
{
	return mknod(p, S_IFCHR | mode, makedev(1, 3));
}

static int make_block(const char *p, mode_t mode)
{
	return mknod(p, S_IFBLK | mode, makedev(7, 200));
}

static void devices(struct suite *s)
{
	static const struct {
		unsigned major, minor;
	} numbers[] = {{0, 0}, {0, 1}, {1, 3}, {1, 5}, {5, 0}, {255, 255}, {256, 0}, {7, 256},
	        {259, 100000}, {4095, 1048575}, {4095, 0}, {0, 1048575}};

	for (size_t i = 0; i < COUNT(numbers); i++) {
		for (enum type t = CHR; t <= BLK; t++) {
			dev_t dev = makedev(numbers[i].major, numbers[i].minor);
			char *p = fresh(s);
			struct stat st;

			if (t == CHR && dev == 0)
				continue; /* a whiteout of overlayfs */
			expect(s, 0, mknod(p, type_bits(t) | 0600, dev), "mknod of %s %u:%u",
			        type_name(t), numbers[i].major, numbers[i].minor);
			st = look(p);
			same(s, st.st_mode, type_bits(t) | 0600, "%s %u:%u: its mode", type_name(t),
			        numbers[i].major, numbers[i].minor);
			same(s, st.st_rdev, dev, "%s %u:%u: its number", type_name(t),
			        numbers[i].major, numbers[i].minor);
		}
	}
}

static void types(struct suite *s)
{
	static const struct {
		const char *what;
		mode_t bits;
		int root, user;
	} all[] = {{"no type", 0, 0, 0}, {"a file", S_IFREG, 0, 0}, {"a fifo", S_IFIFO, 0, 0},
	        {"a socket", S_IFSOCK, 0, 0}, {"a char device", S_IFCHR, 0, EPERM},
	        {"a block device", S_IFBLK, 0, EPERM}, {"a directory", S_IFDIR, EPERM, EPERM},
	        {"a symlink", S_IFLNK, EINVAL, EINVAL}, {"type 0170000", 0170000, EINVAL, EINVAL},
	        {"type 0030000", 0030000, EINVAL, EINVAL}};

	must(chmod(".", 0777));
	for (size_t i = 0; i < COUNT(all); i++) {
		for (enum who w = ROOT; w < WHOS; w++) {
			int want = w == ROOT ? all[i].root : all[i].user;
			char *p = fresh(s);

			expect(s, want, AS(s, w, mknod(p, all[i].bits | 0600, makedev(1, 3))),
			        "mknod of %s by %s", all[i].what, who_name(w));
			same(s, exists(p), want == 0, "mknod of %s by %s: it is%s there",
			        all[i].what, who_name(w), want ? " not" : "");
		}
	}
	must(chmod(".", 0755));
}

/* What a node does when it is opened. */
static void open_nodes(struct suite *s)
{
	char *null = fresh(s), *none = fresh(s), *sock = make(s, SOCK), c = 'x';
	int fd;

	must(mknod(null, S_IFCHR | 0666, makedev(1, 3)));
	must(mknod(none, S_IFBLK | 0666, makedev(4095, 4095)));
	fd = must(open(null, O_RDWR | O_CLOEXEC));
	same(s, write(fd, &c, 1), 1, "writing to a null device");
	same(s, read(fd, &c, 1), 0, "reading from a null device");
	must(close(fd));
	expect(s, ENXIO, open_close(open(none, O_RDONLY | O_CLOEXEC)),
	        "opening a device without a driver");
	expect(s, ENXIO, open_close(open(sock, O_RDWR | O_CLOEXEC)), "opening a socket");
	expect(s, EINVAL, truncate(null, 0), "truncate of a device");
	expect(s, EINVAL, truncate(sock, 0), "truncate of a socket");
	fd = must(open(sock, O_PATH | O_CLOEXEC));
	holds(s, fd >= 0, "a socket opens with O_PATH");
	must(close(fd));
}

void cat_mknod(struct suite *s)
{
	static const struct op file = {"mknod", run_file, REG, CREATES},
	                       sock = {"mknod of a socket", run_socket, SOCK, CREATES};
	static const struct maker makers[] = {{"mknod of a file", make_file_node, REG},
	        {"mknod of a fifo", make_fifo, FIFO}, {"mknod of a socket", make_socket, SOCK},
	        {"mknod of a char device", make_char, CHR},
	        {"mknod of a block device", make_block, BLK}};

	op_matrix(s, &file);
	op_matrix(s, &sock);
	for (size_t i = 0; i < COUNT(makers); i++)
		create_matrix(s, &makers[i]);
	devices(s);
	types(s);
	open_nodes(s);
}
