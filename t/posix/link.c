/* SPDX-License-Identifier: MIT */
#include "posix.h"

static int from(struct suite *s, int dir, const char *p)
{
	return dir == AT_FDCWD
	               ? link(p, path(s, "%s/to/%s", s->base, fresh(s)))
	               : linkat(dir, p, AT_FDCWD, path(s, "%s/to/%s", s->base, fresh(s)), 0);
}

static int follow(struct suite *s, int dir, const char *p)
{
	return linkat(dir, p, AT_FDCWD, path(s, "%s/to/%s", s->base, fresh(s)), AT_SYMLINK_FOLLOW);
}

static int to(struct suite *s, int dir, const char *p)
{
	char *source = path(s, "%s/source", s->base);

	return dir == AT_FDCWD ? link(source, p) : linkat(AT_FDCWD, source, dir, p, 0);
}

static void types(struct suite *s)
{
	for (enum type t = REG; t < TYPES; t++) {
		char *p = make(s, t), *q = fresh(s);
		struct stat a, b;

		expect(s, t == DIRECTORY ? EPERM : 0, link(p, q), "link of a %s", type_name(t));
		same(s, exists(q), t != DIRECTORY, "link of a %s: the new name", type_name(t));
		if (t == DIRECTORY)
			continue;
		a = look(p);
		b = look(q);
		same(s, a.st_ino, b.st_ino, "link of a %s: one inode", type_name(t));
		same(s, b.st_mode, a.st_mode, "link of a %s: one mode", type_name(t));
		same(s, a.st_nlink, 2, "link of a %s: two links", type_name(t));
		same(s, b.st_rdev, a.st_rdev, "link of a %s: one number", type_name(t));
		if (t != LNK)
			must(chmod(q, 0600));
		must(lchown(q, 3, 4));
		same(s, look(p).st_uid, 3, "link of a %s: one owner", type_name(t));
		must(unlink(p));
		same(s, links_of(q), 1, "a %s without its first name: its links", type_name(t));
		expect(s, 0, link(q, p), "link of a %s under its first name", type_name(t));
		same(s, look(p).st_ino, b.st_ino, "a %s under its first name: its inode",
		        type_name(t));
	}
}

static void counts(struct suite *s)
{
	char *p = make_file(s, "text", 0644, ROOT), *dir = make(s, DIRECTORY), buf[8];

	for (int i = 0; i < 100; i++) {
		expect(s, 0, link(p, path(s, "%s/%d", dir, i)), "link %d", i + 1);
		same(s, links_of(p), (nlink_t)i + 2, "links after link %d", i + 1);
	}
	for (int i = 0; i < 100; i += 7) {
		int fd = must(open(path(s, "%s/%d", dir, i), O_RDWR | O_CLOEXEC));

		must(pwrite(fd, path(s, "%4d", i), 4, 0));
		must(close(fd));
		fd = must(open(p, O_RDONLY | O_CLOEXEC));
		must(pread(fd, buf, 4, 0));
		holds(s, memcmp(buf, path(s, "%4d", i), 4) == 0, "what link %d wrote is read", i);
		must(close(fd));
	}
	same(s, look(dir).st_nlink, 2, "links of files are no links of their directory");
}

/* fs.protected_hardlinks, which distributions set, lets nobody link what it can neither own nor
 * both read and write; nor what is setuid, or no file. */
static void protected(struct suite *s)
{
	static const mode_t modes[] = {0666, 0644, 0622, 0600, 04777, 02777, 02767, 0777};

	for (size_t i = 0; i < COUNT(modes); i++) {
		mode_t m = modes[i];
		bool safe = (m & 06) == 06 && !(m & S_ISUID) && (m & 02010) != 02010;

		for (enum who w = ROOT; w < WHOS; w += w == OWNER ? 3 : 1) {
			char *p = make_file(s, "x", m, OWNER), *q = path(s, "to/%s", fresh(s));
			bool may = w != OTHER || safe || !s->protects_links;

			expect(s, may ? 0 : EPERM, AS(s, w, link(p, q)),
			        "link of a file of mode %04o by %s", m, who_name(w));
			same(s, exists(q), may, "link of a file of mode %04o by %s: it", m,
			        who_name(w));
		}
	}
	for (enum type t = FIFO; t < TYPES; t++) {
		char *p = make(s, t), *q = path(s, "to/%s", fresh(s));

		if (t != LNK)
			must(chmod(p, 0666));
		expect(s, s->protects_links ? EPERM : 0, AS(s, OTHER, link(p, q)),
		        "link of a %s by another user", type_name(t));
	}
}

static void symlinks(struct suite *s)
{
	for (enum type t = REG; t < LNK; t++) {
		char *p = make(s, t), *l = fresh(s), *q = fresh(s), *r = fresh(s);

		must(symlink(p, l));
		expect(s, 0, link(l, q), "link of a symlink to a %s", type_name(t));
		same(s, look(q).st_mode & S_IFMT, S_IFLNK, "a link of a symlink to a %s",
		        type_name(t));
		expect(s, t == DIRECTORY ? EPERM : 0,
		        linkat(AT_FDCWD, l, AT_FDCWD, r, AT_SYMLINK_FOLLOW),
		        "linkat through a symlink to a %s", type_name(t));
		if (t != DIRECTORY)
			same(s, look(r).st_ino, look(p).st_ino,
			        "linkat through a symlink to a %s: its inode", type_name(t));
	}
}

static void odd(struct suite *s)
{
	char *p = make_file(s, "x", 0644, ROOT), *dir = make(s, DIRECTORY);
	int fd = must(open(p, O_RDWR | O_CLOEXEC)), none;

	expect(s, EEXIST, link(p, p), "link of a file to itself");
	expect(s, EINVAL, linkat(AT_FDCWD, p, AT_FDCWD, fresh(s), 1 << 20),
	        "linkat with a wrong flag");
	expect(s, 0, linkat(fd, "", AT_FDCWD, fresh(s), AT_EMPTY_PATH), "linkat of a descriptor");
	expect(s, ENOENT, AS(s, OTHER, linkat(fd, "", AT_FDCWD, "to/x", AT_EMPTY_PATH)),
	        "linkat of a descriptor by a user");
	same(s, links_of(p), 2, "and it has two links");
	expect(s, EPERM, link(dir, fresh(s)), "link of an empty directory");
	expect(s, EPERM, link(".", fresh(s)), "link of .");
	expect(s, EPERM, link("..", fresh(s)), "link of ..");
	none = must(open(make_file(s, "y", 0644, ROOT), O_RDONLY | O_CLOEXEC));
	must(unlink(s->names[(s->serial - 1) % NAMES]));
	expect(s, ENOENT, linkat(none, "", AT_FDCWD, fresh(s), AT_EMPTY_PATH),
	        "linkat of an unlinked file");
	if (s->mounts) {
		expect(s, EXDEV, link(p, "tmp/x"), "link to another file system");
		make_at(REG, "tmp/y");
		expect(s, EXDEV, link("tmp/y", fresh(s)), "link from another file system");
		make_at(REG, "rw/z");
		expect(s, EXDEV, link("ro/z", "rw/zz"), "link between two mounts of one directory");
	}
	must(close(fd));
	must(close(none));
}

void cat_link(struct suite *s)
{
	static const struct op all[] = {{"link from", from, REG, NOFOLLOW},
	        {"link of a fifo", from, FIFO, NOFOLLOW}, {"linkat following", follow, REG, 0},
	        {"link to", to, REG, CREATES}};

	must(mkdir("to", 0777));
	make_at(REG, "source");
	must(chmod("source", 0666));
	for (size_t i = 0; i < COUNT(all); i++) {
		path_matrix(s, &all[i]);
		at_matrix(s, &all[i]);
		access_matrix(s, &all[i]);
		times_matrix(s, &all[i]);
	}
	types(s);
	counts(s);
	protected(s);
	symlinks(s);
	odd(s);
}
