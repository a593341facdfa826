/* SPDX-License-Identifier: MIT */
#include "posix.h"

#include <linux/fs.h>

static char *aside(struct suite *s)
{
	return path(s, "%s/to/%s", s->base, fresh(s));
}

static int from(struct suite *s, int dir, const char *p)
{
	return dir == AT_FDCWD ? rename(p, aside(s)) : renameat(dir, p, AT_FDCWD, aside(s));
}

static int from_flags(struct suite *s, int dir, const char *p)
{
	return renameat2(dir, p, AT_FDCWD, aside(s), RENAME_NOREPLACE);
}

/* Whoever runs it makes its source, in a directory that all may change. */
static int to(struct suite *s, int dir, const char *p)
{
	char *q = aside(s);
	int r, kept;

	make_at(REG, q);
	r = renameat2(AT_FDCWD, q, dir, p, RENAME_NOREPLACE);
	kept = errno;
	unlink(q);
	errno = kept;
	return r;
}

/* Whether a thing of one type may take the name of another, and what is left. */
static void pairs(struct suite *s)
{
	for (enum type a = REG; a < TYPES; a++) {
		for (enum type b = REG; b < TYPES; b++) {
			const char *an = type_name(a), *bn = type_name(b);
			int want = a == b           ? 0
			           : a == DIRECTORY ? ENOTDIR
			           : b == DIRECTORY ? EISDIR
			                            : 0;
			char *p = make(s, a), *q = make(s, b);
			ino_t ip = look(p).st_ino, iq = look(q).st_ino;

			expect(s, EEXIST, renameat2(AT_FDCWD, p, AT_FDCWD, q, RENAME_NOREPLACE),
			        "%s to %s without replacing", an, bn);
			holds(s, look(p).st_ino == ip && look(q).st_ino == iq,
			        "%s to %s without replacing: both are left", an, bn);
			expect(s, 0, renameat2(AT_FDCWD, p, AT_FDCWD, q, RENAME_EXCHANGE),
			        "%s and %s exchanged", an, bn);
			holds(s, look(p).st_ino == iq && look(q).st_ino == ip,
			        "%s and %s exchanged: each is the other", an, bn);
			must(renameat2(AT_FDCWD, p, AT_FDCWD, q, RENAME_EXCHANGE));
			expect(s, want, rename(p, q), "%s to %s", an, bn);
			same(s, exists(p), want != 0, "%s to %s: the old name", an, bn);
			same(s, look(q).st_ino, want ? iq : ip, "%s to %s: the new name", an, bn);
			same(s, look(q).st_mode & S_IFMT, type_bits(want ? b : a),
			        "%s to %s: its type", an, bn);
		}
	}
}

static void not_empty(struct suite *s)
{
	for (enum type t = REG; t < TYPES; t++) {
		char *p = make(s, DIRECTORY), *q = make(s, DIRECTORY), *in = path(s, "%s/x", q);

		make_at(t, in);
		expect(s, ENOTEMPTY, rename(p, q), "to a directory with a %s", type_name(t));
		holds(s, exists(p) && exists(in), "to a directory with a %s: both are left",
		        type_name(t));
		expect(s, 0, rename(q, p), "of a directory with a %s to an empty one",
		        type_name(t));
		holds(s, !exists(q) && exists(path(s, "%s/x", p)),
		        "of a directory with a %s: it moves along", type_name(t));
		expect(s, 0, rename(path(s, "%s/x", p), q), "of a %s out of its directory",
		        type_name(t));
		expect(s, 0, rename(q, path(s, "%s/y", p)), "of a %s into its directory",
		        type_name(t));
	}
}

static void itself(struct suite *s)
{
	for (enum type t = REG; t < TYPES; t++) {
		char *p = make(s, t), *q = fresh(s);
		struct stat before, after;

		expect(s, 0, rename(p, p), "of a %s to itself", type_name(t));
		if (t == DIRECTORY)
			continue;
		must(link(p, q));
		before = look(p);
		expect(s, 0, rename(p, q), "of a %s to another link of it", type_name(t));
		holds(s, exists(p) && exists(q), "of a %s to another link: both are left",
		        type_name(t));
		after = look(p);
		same(s, after.st_nlink, 2, "of a %s to another link: its links", type_name(t));
		holds(s, equal_time(before.st_mtim, after.st_mtim),
		        "of a %s to another link: its mtime", type_name(t));
	}
}

static void directories(struct suite *s)
{
	char *a = make(s, DIRECTORY), *b = make(s, DIRECTORY), *sub = path(s, "%s/sub", a),
	     *deep = path(s, "%s/sub/deep", a), *moved = path(s, "%s/moved", b);
	ino_t ib = look(b).st_ino;

	must(mkdir(sub, 0755));
	must(mkdir(deep, 0755));
	expect(s, EINVAL, rename(a, path(s, "%s/x", a)), "of a directory into itself");
	expect(s, EINVAL, rename(a, path(s, "%s/x", deep)), "of a directory far below itself");
	expect(s, EINVAL, renameat2(AT_FDCWD, a, AT_FDCWD, deep, RENAME_EXCHANGE),
	        "of a directory exchanged with one below it");
	expect(s, EINVAL, renameat2(AT_FDCWD, deep, AT_FDCWD, a, RENAME_EXCHANGE),
	        "of a directory exchanged with one above it");
	expect(s, ENOTEMPTY, rename(deep, a), "of a directory over one above it");
	same(s, links_of(a), 3, "links of the old parent");
	expect(s, 0, rename(sub, moved), "of a directory to another parent");
	same(s, links_of(a), 2, "links of the old parent afterwards");
	same(s, links_of(b), 3, "links of the new parent");
	same(s, look(path(s, "%s/..", moved)).st_ino, ib, ".. is the new parent");
	holds(s, exists(path(s, "%s/deep", moved)), "what is below moves along");
	expect(s, EBUSY, rename(".", fresh(s)), "of .");
	expect(s, EBUSY, rename("..", fresh(s)), "of ..");
	expect(s, EBUSY, rename(a, "."), "to .");
	expect(s, EBUSY, rename(a, ".."), "to ..");
	expect(s, EBUSY, rename(path(s, "%s/.", a), fresh(s)), "of a directory's .");
	expect(s, 0, rename(path(s, "%s/", a), path(s, "%s2/", a)), "of a directory with slashes");
	expect(s, ENOTDIR, rename(make(s, REG), path(s, "%s/", fresh(s))),
	        "of a file to a name with a slash");
	expect(s, ENOTDIR, rename(path(s, "%s/", make(s, REG)), fresh(s)),
	        "of a file with a slash");
}

static void flags(struct suite *s)
{
	char *p = make(s, REG), *none = fresh(s);

	expect(s, EINVAL,
	        renameat2(AT_FDCWD, p, AT_FDCWD, none, RENAME_NOREPLACE | RENAME_EXCHANGE),
	        "without replacing and exchanging");
	expect(s, EINVAL, renameat2(AT_FDCWD, p, AT_FDCWD, none, RENAME_WHITEOUT | RENAME_EXCHANGE),
	        "with a whiteout and exchanging");
	expect(s, EINVAL, renameat2(AT_FDCWD, p, AT_FDCWD, none, 1 << 20), "with a wrong flag");
	expect(s, ENOENT, renameat2(AT_FDCWD, p, AT_FDCWD, none, RENAME_EXCHANGE),
	        "exchanged with nothing");
	expect(s, ENOENT, renameat2(AT_FDCWD, none, AT_FDCWD, p, RENAME_EXCHANGE),
	        "of nothing exchanged");
	expect(s, 0, renameat2(AT_FDCWD, p, AT_FDCWD, none, RENAME_WHITEOUT), "with a whiteout");
	if (s->mounts) {
		char *q = make(s, REG);

		expect(s, EXDEV, rename(q, "tmp/x"), "to another file system");
		make_at(REG, "rw/bind");
		expect(s, EXDEV, rename("rw/bind", "ro/bind2"),
		        "between two mounts of one directory");
		expect(s, EBUSY, rename("tmp", fresh(s)), "of a mount point");
		expect(s, EBUSY, rename(make(s, DIRECTORY), "tmp"), "to a mount point");
		expect(s, EROFS, rename("ro/bind", "ro/bind2"), "on a read-only mount");
		expect(s, EROFS,
		        renameat2(AT_FDCWD, "ro/bind", AT_FDCWD, "ro/bind", RENAME_EXCHANGE),
		        "exchanged on a read-only mount");
	}
}

static void times(struct suite *s)
{
	for (enum type t = REG; t < TYPES; t++) {
		char *a = make(s, DIRECTORY), *b = make(s, DIRECTORY), *p = path(s, "%s/x", a),
		     *q = path(s, "%s/y", b);
		struct stat sa, sb, sp;

		make_at(t, p);
		sa = look(a);
		sb = look(b);
		sp = look(p);
		tick(s);
		must(rename(p, q));
		holds(s, later(look(a).st_mtim, sa.st_mtim), "of a %s: the old directory's mtime",
		        type_name(t));
		holds(s, later(look(b).st_mtim, sb.st_mtim), "of a %s: the new directory's mtime",
		        type_name(t));
		holds(s, later(look(a).st_ctim, sa.st_ctim), "of a %s: the old directory's ctime",
		        type_name(t));
		holds(s, later(look(b).st_ctim, sb.st_ctim), "of a %s: the new directory's ctime",
		        type_name(t));
		holds(s, later(look(q).st_ctim, sp.st_ctim), "of a %s: its ctime", type_name(t));
		holds(s, equal_time(look(q).st_atim, sp.st_atim), "of a %s: its atime",
		        type_name(t));
		if (t != DIRECTORY)
			holds(s, equal_time(look(q).st_mtim, sp.st_mtim), "of a %s: its mtime",
			        type_name(t));
	}
}

/* What is replaced lives on while it is open. */
static void still_open(struct suite *s)
{
	char *p = make_file(s, "new", 0644, ROOT), *q = make_file(s, "old", 0644, ROOT),
	     buf[4] = "";
	int fd = must(open(q, O_RDONLY | O_CLOEXEC)), moving = must(open(p, O_RDONLY | O_CLOEXEC));
	struct stat st;

	must(rename(p, q));
	same(s, pread(fd, buf, 3, 0), 3, "what was replaced is read");
	holds(s, memcmp(buf, "old", 3) == 0, "and is what it was");
	must(fstat(fd, &st));
	same(s, st.st_nlink, 0, "what was replaced has no links");
	must(fstat(moving, &st));
	same(s, st.st_ino, look(q).st_ino, "what was open moves along");
	must(close(fd));
	fd = must(open(q, O_RDONLY | O_CLOEXEC));
	must(pread(fd, buf, 3, 0));
	holds(s, memcmp(buf, "new", 3) == 0, "the new name has the new content");
	must(close(fd));
	must(close(moving));
}

/* Another user may not write the directory that it moves: its .. would change. */
static void parents(struct suite *s)
{
	for (enum who w = ROOT; w < WHOS; w++) {
		for (mode_t mode = 0; mode < 8; mode++) {
			char *a = make_dir(s, 0777, ROOT), *b = make_dir(s, 0777, ROOT),
			     *p = path(s, "%s/x", a);
			mode_t bits = w == OWNER ? mode << 6 : w < OTHER ? mode << 3 : mode;
			bool may = w == ROOT || mode & 2;

			must(mkdir(p, 0755));
			give(p, OWNER);
			must(chmod(p, bits));
			expect(s, 0, AS(s, w, rename(p, path(s, "%s/y", a))),
			        "of a directory with bits %o within its parent by %s", mode,
			        who_name(w));
			p = path(s, "%s/y", a);
			expect(s, may ? 0 : EACCES, AS(s, w, rename(p, path(s, "%s/z", b))),
			        "of a directory with bits %o to another parent by %s", mode,
			        who_name(w));
		}
	}
}

/* Replacing takes the right to remove. */
static void sticky_target(struct suite *s)
{
	static const enum who all[] = {ROOT, OWNER, OTHER};

	for (size_t i = 0; i < 54; i++) {
		enum who actor = all[i % 3], of_dir = all[i / 3 % 3], of_entry = all[i / 9 % 3];
		bool may = actor == ROOT || actor == of_dir || actor == of_entry;
		enum type t = i < 27 ? REG : DIRECTORY;
		char *p = make(s, t), *dir = make_dir(s, 01777, of_dir), *q = path(s, "%s/x", dir),
		     *r = path(s, "to/%s", fresh(s));

		make_at(t, q);
		give(q, of_entry);
		give(p, actor);
		must(rename(p, r));
		expect(s, may ? 0 : EPERM, AS(s, actor, rename(r, q)),
		        "over a %s of %s by %s in a sticky directory of %s", type_name(t),
		        who_name(of_entry), who_name(actor), who_name(of_dir));
		same(s, exists(r), !may,
		        "over a %s of %s by %s in a sticky directory of %s: the old name",
		        type_name(t), who_name(of_entry), who_name(actor), who_name(of_dir));
	}
}

void cat_rename(struct suite *s)
{
	static const struct op ops[] = {{"rename from", from, REG, REMOVES | NOFOLLOW},
	        {"rename of a directory from", from, DIRECTORY, REMOVES | NOFOLLOW},
	        {"renameat2 from", from_flags, REG, REMOVES | NOFOLLOW},
	        {"rename to", to, REG, CREATES | OWN_SLASH}};
	static const struct op sticky = {"rename", from, REG, REMOVES | NOFOLLOW};
	static const enum type types[] = {REG, DIRECTORY, FIFO, LNK};

	must(mkdir("to", 0777));
	for (size_t i = 0; i < COUNT(ops); i++) {
		path_matrix(s, &ops[i]);
		at_matrix(s, &ops[i]);
		access_matrix(s, &ops[i]);
	}
	sticky_matrix(s, &sticky, types, COUNT(types));
	pairs(s);
	not_empty(s);
	itself(s);
	directories(s);
	flags(s);
	times(s);
	still_open(s);
	parents(s);
	sticky_target(s);
}
