/* SPDX-License-Identifier: MIT */
#include "posix.h"

static int run(struct suite *s, int dir, const char *p)
{
	(void)s;
	return dir == AT_FDCWD ? chmod(p, 0640) : fchmodat(dir, p, 0640, 0);
}

static void modes(struct suite *s)
{
	static const mode_t asked[] = {0, 1, 2, 4, 010, 020, 040, 0100, 0200, 0400, 01000, 02000,
	        04000, 0777, 0644, 0111, 02755, 04755, 06755, 01777, 07777};

	for (enum type t = REG; t < LNK; t++) {
		char *p = make(s, t);

		for (size_t i = 0; i < COUNT(asked); i++) {
			expect(s, 0, chmod(p, asked[i]), "chmod of a %s to %04o", type_name(t),
			        asked[i]);
			same(s, mode_of(p), asked[i], "a %s of mode %04o: its mode", type_name(t),
			        asked[i]);
		}
		same(s, look(p).st_mode & S_IFMT, type_bits(t), "a %s stays one", type_name(t));
	}
}

static void rights(struct suite *s)
{
	for (enum type t = REG; t < LNK; t++) {
		for (enum who w = ROOT; w < WHOS; w++) {
			bool may = w == ROOT || w == OWNER;
			char *p = make(s, t);

			give(p, OWNER);
			must(chmod(p, 0666));
			expect(s, may ? 0 : EPERM, AS(s, w, chmod(p, 0604)), "chmod of a %s by %s",
			        type_name(t), who_name(w));
			same(s, mode_of(p), may ? 0604 : 0666, "chmod of a %s by %s: its mode",
			        type_name(t), who_name(w));
		}
	}
	for (mode_t mode = 0; mode <= 0777; mode += 0111) {
		char *p = make_file(s, "", mode, OWNER);

		expect(s, 0, AS(s, OWNER, chmod(p, 0700)),
		        "chmod by the owner of a file of mode %04o", mode);
	}
}

/* Who is not in the group of a file cannot make it setgid. */
static void set_group(struct suite *s)
{
	static const struct {
		const char *what;
		gid_t gid;
		enum who who;
		bool keeps;
	} all[] = {{"its own group", 3001, OWNER, true}, {"a strange group", 3999, OWNER, false},
	        {"a supplementary group", 3001, EXTRA, true},
	        {"a strange group", 3001, OTHER, false}, {"root's group", 0, OTHER, false},
	        {"any group", 3999, ROOT, true}};

	for (enum type t = REG; t < LNK; t++) {
		for (size_t i = 0; i < COUNT(all); i++) {
			char *p = make(s, t);

			must(chown(p, uid_of(all[i].who), all[i].gid));
			expect(s, 0, AS(s, all[i].who, chmod(p, 02755)),
			        "chmod of a %s in %s to setgid by %s", type_name(t), all[i].what,
			        who_name(all[i].who));
			same(s, mode_of(p), all[i].keeps ? 02755 : 0755,
			        "a %s in %s, setgid by %s: its mode", type_name(t), all[i].what,
			        who_name(all[i].who));
			expect(s, 0, AS(s, all[i].who, chmod(p, 06711)),
			        "chmod of a %s in %s to setuid and setgid by %s", type_name(t),
			        all[i].what, who_name(all[i].who));
			same(s, mode_of(p), all[i].keeps ? 06711 : 04711,
			        "a %s in %s, setuid and setgid by %s: its mode", type_name(t),
			        all[i].what, who_name(all[i].who));
		}
	}
}

static void descriptors(struct suite *s)
{
	static const int ways[] = {O_RDONLY, O_WRONLY, O_RDWR, O_RDONLY | O_NONBLOCK};
	char *p = make_file(s, "x", 0644, OWNER);
	struct stat st;
	int fd;

	for (size_t i = 0; i < COUNT(ways); i++) {
		fd = must(open(p, ways[i] | O_CLOEXEC));
		expect(s, 0, fchmod(fd, (mode_t)(0600 + i)), "fchmod of an open file %zu", i + 1);
		same(s, mode_of(p), 0600 + i, "and its mode is that, %zu", i + 1);
		expect(s, EPERM, AS(s, OTHER, fchmod(fd, 0777)), "fchmod by another user %zu",
		        i + 1);
		expect(s, 0, AS(s, OWNER, fchmod(fd, 0640)), "fchmod by the owner %zu", i + 1);
		must(close(fd));
	}
	fd = must(open(p, O_PATH | O_CLOEXEC));
	expect(s, EBADF, fchmod(fd, 0600), "fchmod of an O_PATH descriptor");
	must(close(fd));
	expect(s, EBADF, fchmod(fd, 0600), "fchmod of a closed descriptor");
	fd = must(open(p, O_RDWR | O_CLOEXEC));
	must(unlink(p));
	expect(s, 0, fchmod(fd, 0123), "fchmod of an unlinked file");
	must(fstat(fd, &st));
	same(s, st.st_mode & 07777, 0123, "an unlinked file: its mode");
	must(close(fd));
	p = make(s, DIRECTORY);
	fd = must(open(p, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	expect(s, 0, fchmod(fd, 0711), "fchmod of a directory");
	same(s, mode_of(p), 0711, "a directory: its mode");
	must(close(fd));
}

static void links(struct suite *s)
{
	for (enum type t = REG; t < LNK; t++) {
		char *p = make(s, t), *link_to = fresh(s), *other = fresh(s);

		must(symlink(p, link_to));
		expect(s, 0, chmod(link_to, 0611), "chmod to 0611 through a symlink to a %s",
		        type_name(t));
		same(s, mode_of(p), 0611, "a %s changed through a symlink: its mode", type_name(t));
		same(s, mode_of(link_to), 0777, "the mode of the symlink to a %s", type_name(t));
		if (t == DIRECTORY)
			continue;
		must(link(p, other));
		must(chmod(other, 0755));
		same(s, mode_of(p), 0755, "a %s changed through another link: its mode",
		        type_name(t));
	}
}

/* Writing as another user takes setuid and setgid away, reading does not. */
static void cleared(struct suite *s)
{
	static const mode_t modes_of[] = {04777, 02777, 06777, 06767, 02767, 01777};

	for (size_t i = 0; i < COUNT(modes_of); i++) {
		for (enum who w = ROOT; w < WHOS; w++) {
			mode_t left = modes_of[i];
			char *p = make_file(s, "content", left, OWNER), c;
			int fd = must(AS(s, w, open(p, O_RDWR | O_CLOEXEC)));

			must(AS(s, w, read(fd, &c, 1)));
			same(s, mode_of(p), left, "mode %04o after a read by %s", left,
			        who_name(w));
			must(AS(s, w, write(fd, "x", 1)));
			if (w != ROOT)
				left &= (mode_t) ~(S_ISUID | (left & S_IXGRP ? S_ISGID : 0));
			/* Without group execution, setgid stays for who is in the group. */
			if (w == OTHER)
				left &= (mode_t)~S_ISGID;
			same(s, mode_of(p), left, "mode %04o after a write by %s", modes_of[i],
			        who_name(w));
			must(close(fd));
		}
	}
}

void cat_chmod(struct suite *s)
{
	static const struct op op = {"chmod of a file", run, REG, 0},
	                       dir = {"chmod of directories", run, DIRECTORY, 0};

	op_matrix(s, &op);
	op_matrix(s, &dir);
	modes(s);
	rights(s);
	set_group(s);
	descriptors(s);
	links(s);
	cleared(s);
}
