/* SPDX-License-Identifier: MIT */
#include "posix.h"

static int follow(struct suite *s, int dir, const char *p)
{
	(void)s;
	return dir == AT_FDCWD ? chown(p, (uid_t)-1, getegid())
	                       : fchownat(dir, p, (uid_t)-1, getegid(), 0);
}

static int itself(struct suite *s, int dir, const char *p)
{
	(void)s;
	return dir == AT_FDCWD ? lchown(p, (uid_t)-1, getegid())
	                       : fchownat(dir, p, (uid_t)-1, getegid(), AT_SYMLINK_NOFOLLOW);
}

enum { SAME = -1 };

static void ids(struct suite *s)
{
	static const struct {
		uid_t uid;
		gid_t gid;
	} all[] = {
	        {0, 0}, {1, 1}, {1000, 1000}, {2001, 0}, {0, 3001}, {60000, 60001}, {65533, 65533}};

	for (enum type t = REG; t < TYPES; t++) {
		for (size_t i = 0; i < COUNT(all); i++) {
			char *p = make(s, t);
			struct stat st;

			expect(s, 0, lchown(p, all[i].uid, all[i].gid), "chown of a %s to %u:%u",
			        type_name(t), all[i].uid, all[i].gid);
			st = look(p);
			holds(s, st.st_uid == all[i].uid && st.st_gid == all[i].gid,
			        "a %s of %u:%u: its owner", type_name(t), all[i].uid, all[i].gid);
			must(lchown(p, 7, (gid_t)SAME));
			must(lchown(p, (uid_t)SAME, (gid_t)SAME));
			st = look(p);
			holds(s, st.st_uid == 7 && st.st_gid == all[i].gid,
			        "a %s given to 7 %zu: its old group", type_name(t), i + 1);
		}
	}
}

/* What an owner may do to its file: give it to a group that it is in, nothing else. */
static void rights(struct suite *s)
{
	static const struct {
		const char *what;
		uid_t uid;
		gid_t gid;
		int owner, other;
	} all[] = {{"to the same user", 2003, SAME, 0, EPERM},
	        {"to the same user and group", 2003, 3003, 0, EPERM},
	        {"to its own group", SAME, 3003, 0, EPERM},
	        {"to its supplementary group", SAME, 3001, 0, EPERM},
	        {"to the user and a supplementary group", 2003, 3001, 0, EPERM},
	        {"to a strange group", SAME, 3999, EPERM, EPERM},
	        {"to root's group", SAME, 0, EPERM, EPERM},
	        {"to another user", 2004, SAME, EPERM, EPERM}, {"to root", 0, SAME, EPERM, EPERM},
	        {"to root and its group", 0, 3001, EPERM, EPERM},
	        {"to another user and group", 2004, 3004, EPERM, EPERM}};

	for (enum type t = REG; t < TYPES; t++) {
		for (size_t i = 0; i < COUNT(all); i++) {
			char *p = make(s, t), *q = make(s, t);

			give(p, EXTRA);
			give(q, EXTRA);
			expect(s, all[i].owner, AS(s, EXTRA, lchown(p, all[i].uid, all[i].gid)),
			        "chown of a %s %s by its owner", type_name(t), all[i].what);
			same(s, look(p).st_gid,
			        all[i].owner || all[i].gid == (gid_t)SAME ? 3003 : all[i].gid,
			        "a %s given %s: its group", type_name(t), all[i].what);
			same(s, look(p).st_uid, 2003, "a %s given %s: its user", type_name(t),
			        all[i].what);
			expect(s, all[i].other, AS(s, OTHER, lchown(q, all[i].uid, all[i].gid)),
			        "chown of a %s %s by another user", type_name(t), all[i].what);
		}
	}
}

/* chown takes setuid and setgid from programs, not from directories. */
static void cleared(struct suite *s)
{
	static const mode_t modes[] = {04755, 02755, 06755, 06711, 02745, 07777, 01755};

	for (size_t i = 0; i < COUNT(modes); i++) {
		for (int by_root = 0; by_root < 2; by_root++) {
			enum who w = by_root ? ROOT : EXTRA;
			mode_t left = modes[i] & (mode_t)~S_ISUID;
			char *p = make_file(s, "x", modes[i], EXTRA),
			     *dir = make_dir(s, modes[i], EXTRA);

			/* Without group execution, setgid once meant a mandatory lock: it stays. */
			if (left & S_IXGRP)
				left &= (mode_t)~S_ISGID;
			expect(s, 0, AS(s, w, chown(p, (uid_t)SAME, 3001)),
			        "chown of mode %04o by %s", modes[i], who_name(w));
			same(s, mode_of(p), left, "a file of mode %04o given by %s: its mode",
			        modes[i], who_name(w));
			expect(s, 0, AS(s, w, chown(dir, (uid_t)SAME, 3001)),
			        "chown of a directory of mode %04o by %s", modes[i], who_name(w));
			same(s, mode_of(dir), modes[i],
			        "a directory of mode %04o given by %s: its mode", modes[i],
			        who_name(w));
		}
	}
}

static void links(struct suite *s)
{
	for (enum type t = REG; t < TYPES; t++) {
		char *p = make(s, t), *to = fresh(s);

		must(symlink(p, to));
		if (t != LNK) {
			expect(s, 0, chown(to, 11, 12), "chown to 11:12 through a symlink to a %s",
			        type_name(t));
			same(s, look(p).st_uid, 11, "a %s given through a symlink: its user",
			        type_name(t));
			same(s, look(to).st_uid, 0, "the symlink to a %s: its user", type_name(t));
		}
		expect(s, 0, lchown(to, 13, 14), "lchown of a symlink to a %s", type_name(t));
		same(s, look(to).st_gid, 14, "a symlink to a %s: its own group", type_name(t));
		same(s, look(p).st_gid, t == LNK ? 0 : 12, "the %s behind it: its group",
		        type_name(t));
	}
}

static void descriptors(struct suite *s)
{
	char *p = make_file(s, "x", 0644, ROOT), *link_to = fresh(s);
	int fd = must(open(p, O_RDONLY | O_CLOEXEC)), place = must(open(p, O_PATH | O_CLOEXEC));
	struct stat st;

	expect(s, 0, fchown(fd, 5, 6), "fchown of an open file");
	same(s, look(p).st_uid, 5, "an open file: its user");
	expect(s, EBADF, fchown(place, 1, 1), "fchown of an O_PATH descriptor");
	expect(s, 0, fchownat(place, "", 8, 9, AT_EMPTY_PATH), "fchownat of an O_PATH descriptor");
	same(s, look(p).st_uid, 8, "by an O_PATH descriptor: its user");
	expect(s, EPERM, AS(s, OTHER, fchown(fd, 2004, 3004)), "fchown by another user");
	must(unlink(p));
	expect(s, 0, fchown(fd, 20, 21), "fchown of an unlinked file");
	must(fstat(fd, &st));
	same(s, st.st_gid, 21, "an unlinked file: its group");
	must(close(fd));
	must(close(place));
	expect(s, EBADF, fchown(fd, 1, 1), "fchown of a closed descriptor");
	must(symlink("nowhere", link_to));
	expect(s, ENOENT, chown(link_to, 1, 1), "chown of what a symlink leads to in vain");
	expect(s, 0, lchown(link_to, 1, 1), "lchown of a dangling symlink");
	expect(s, EINVAL, fchownat(AT_FDCWD, link_to, 1, 1, 1 << 20), "fchownat with a wrong flag");
}

void cat_chown(struct suite *s)
{
	static const struct op all[] = {{"chown following", follow, REG, 0},
	        {"chown of a directory", follow, DIRECTORY, 0}, {"lchown", itself, LNK, NOFOLLOW},
	        {"lchown of a file", itself, REG, NOFOLLOW}};

	for (size_t i = 0; i < COUNT(all); i++)
		op_matrix(s, &all[i]);
	ids(s);
	rights(s);
	cleared(s);
	links(s);
	descriptors(s);
}
