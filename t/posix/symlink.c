/* SPDX-License-Identifier: MIT */
#include "posix.h"

static int run(struct suite *s, int dir, const char *p)
{
	(void)s;
	return dir == AT_FDCWD ? symlink("target", p) : symlinkat("target", dir, p);
}

static void lengths(struct suite *s)
{
	static const size_t sizes[] = {1, 2, 15, 16, 31, 59, 60, 61, 63, 64, 127, 255, 256, 1000,
	        1023, 1024, 4000, 4094, 4095};

	for (size_t i = 0; i < COUNT(sizes); i++) {
		char *target = repeat(s, 'a' + (char)i, sizes[i]), *p = fresh(s), got[PATH_MAX + 1];

		/* ext4 and others need a byte more for the longest. */
		expect(s, 0, symlink(target, p), "symlink to %zu bytes", sizes[i]);
		if (!exists(p))
			continue;
		same(s, size_of(p), (off_t)sizes[i], "a symlink to %zu bytes: its size", sizes[i]);
		same(s, readlink(p, got, sizeof got), (ssize_t)sizes[i], "readlink of %zu bytes",
		        sizes[i]);
		holds(s, memcmp(got, target, sizes[i]) == 0, "the target of %zu bytes", sizes[i]);
		memset(got, '!', sizeof got);
		same(s, readlink(p, got, 1), 1, "readlink of %zu bytes into one", sizes[i]);
		holds(s, got[0] == target[0] && got[1] == '!', "the one byte of %zu", sizes[i]);
	}
	expect(s, ENAMETOOLONG, symlink(repeat(s, 'x', PATH_MAX), fresh(s)),
	        "symlink to 4096 bytes");
	expect(s, ENOENT, symlink("", fresh(s)), "symlink to nothing");
	expect(s, EFAULT, symlink(s->bad, fresh(s)), "symlink to an unreadable address");
}

static void targets(struct suite *s)
{
	static const char *const all[] = {"\xff\xfe", "/", "//", ".", "..", "../..", "a/", "/a/b/",
	        "a//b", " ", "\n", "-x", "\x01\x02", "\xc3\xa9", "%s", "/proc/self",
	        "../../../../../x"};
	char buf[64];

	for (size_t i = 0; i < COUNT(all); i++) {
		char *p = fresh(s);

		expect(s, 0, symlink(all[i], p), "symlink to odd target %zu", i + 1);
		memset(buf, 0, sizeof buf);
		same(s, readlink(p, buf, sizeof buf - 1), (ssize_t)strlen(all[i]),
		        "readlink of odd target %zu", i + 1);
		holds(s, strcmp(buf, all[i]) == 0, "odd target %zu is what was given", i + 1);
	}
}

static void facts(struct suite *s)
{
	static const mode_t masks[] = {0, 022, 077, 0777};

	for (size_t i = 0; i < COUNT(masks); i++) {
		char *p = fresh(s);

		umask(masks[i]);
		must(symlink("x", p));
		umask(0);
		same(s, mode_of(p), 0777, "the mode of a symlink with umask %04o", masks[i]);
		same(s, look(p).st_mode & S_IFMT, S_IFLNK, "its type with umask %04o", masks[i]);
		same(s, links_of(p), 1, "its links with umask %04o", masks[i]);
	}
	for (enum who w = ROOT; w < WHOS; w++) {
		for (int sgid = 0; sgid < 2; sgid++) {
			char *dir = make_dir(s, sgid ? 02777 : 0777, OWNER),
			     *p = path(s, "%s/x", dir);

			expect(s, 0, AS(s, w, symlink("y", p)), "symlink by %s%s", who_name(w),
			        sgid ? " in a setgid directory" : "");
			same(s, look(p).st_uid, uid_of(w), "symlink by %s%s: its user", who_name(w),
			        sgid ? " in a setgid directory" : "");
			same(s, look(p).st_gid, sgid ? gid_of(OWNER) : gid_of(w),
			        "symlink by %s%s: its group", who_name(w),
			        sgid ? " in a setgid directory" : "");
		}
	}
}

static void reading(struct suite *s)
{
	char buf[8];

	for (enum type t = REG; t < LNK; t++)
		expect(s, EINVAL, readlink(make(s, t), buf, sizeof buf), "readlink of a %s",
		        type_name(t));
	expect(s, ENOENT, readlink(fresh(s), buf, sizeof buf), "readlink of nothing");
	expect(s, EINVAL, readlink(make(s, LNK), buf, 0), "readlink into no room");
	expect(s, EFAULT, readlink(make(s, LNK), s->bad, 8), "readlink into an unreadable address");
	for (mode_t bits = 0; bits < 8; bits++) {
		char *dir = make_dir(s, 0755, ROOT), *p = path(s, "%s/x", dir);

		must(symlink("y", p));
		must(chmod(dir, 0770 | bits));
		expect(s, bits & 1 ? 0 : EACCES, AS(s, OTHER, readlink(p, buf, sizeof buf)),
		        "readlink in a directory with bits %o", bits);
	}
}

/* A symbolic link is followed with the rights of who follows, and to whatever is there then. */
static void following(struct suite *s)
{
	char *dir = make_dir(s, 0700, OWNER), *in = path(s, "%s/x", dir), *link = fresh(s),
	     *late = fresh(s), *moved = fresh(s);
	struct stat st;

	make_at(REG, in);
	must(symlink(in, link));
	expect(s, 0, stat(link, &st), "following by root");
	expect(s, EACCES, AS(s, OTHER, stat(link, &st)), "following into what may not be searched");
	expect(s, 0, AS(s, OWNER, stat(link, &st)), "following by the owner");
	must(symlink(moved, late));
	expect(s, ENOENT, stat(late, &st), "following to what is not there yet");
	must(mkdir(moved, 0755));
	expect(s, 0, stat(late, &st), "following to what is there now");
	holds(s, S_ISDIR(st.st_mode), "and it is what was made");
	must(rmdir(moved));
	make_at(REG, moved);
	must(stat(late, &st));
	holds(s, S_ISREG(st.st_mode), "following to what replaced it");
	must(unlink(moved));
	expect(s, ENOENT, stat(late, &st), "following to what is gone");
	expect(s, 0, lstat(late, &st), "lstat of the link that is left");
	must(unlink(late));
	must(symlink(".", late));
	must(stat(late, &st));
	same(s, st.st_ino, look(".").st_ino, "a name that is another link now");
}

void cat_symlink(struct suite *s)
{
	static const struct op op = {"symlink", run, LNK, CREATES};

	op_matrix(s, &op);
	lengths(s);
	targets(s);
	facts(s);
	reading(s);
	following(s);
}
