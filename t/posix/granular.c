/* SPDX-License-Identifier: MIT
 * Rights finer than the mode: access control lists, and extended attributes (xattr.c). */
#include "acl.h"

/* Reading and writing are opening; running is access(2). */
static void expect_bits(struct suite *s, const char *p, enum who w, unsigned bits, const char *what)
{
	expect(s, bits & 4 ? 0 : EACCES, AS(s, w, open_close(open(p, O_RDONLY | O_CLOEXEC))),
	        "%s: reading", what);
	expect(s, bits & 2 ? 0 : EACCES, AS(s, w, open_close(open(p, O_WRONLY | O_CLOEXEC))),
	        "%s: writing", what);
	expect(s, bits & 1 ? 0 : EACCES, AS(s, w, access(p, X_OK)), "%s: running", what);
}

static void rights(struct suite *s)
{
	for (unsigned i = 0; i < 64; i++) {
		/* With an empty mask Linux takes the mode for all there is, so others get nothing.
		 */
		unsigned bits = i % 8, mask = i / 8, rest = mask ? 7 : 0;
		char *p = make_file(s, "x", 0, OWNER);

		must(acl_set(p, ACL_ACCESS,
		        acl_of("u::0 u:2004:%u g::7 m::%u o::%u", bits, mask, rest)));
		expect_bits(s, p, OTHER, bits & mask, path(s, "user %u, mask %u", bits, mask));
		must(acl_set(p, ACL_ACCESS,
		        acl_of("u::0 g::0 g:3004:%u m::%u o::%u", bits, mask, rest)));
		expect_bits(s, p, OTHER, bits & mask, path(s, "group %u, mask %u", bits, mask));
		must(acl_set(
		        p, ACL_ACCESS, acl_of("u::0 u:9:7 g::%u m::%u o::%u", bits, mask, rest)));
		expect_bits(s, p, EXTRA, bits & mask, path(s, "own group %u, mask %u", bits, mask));
	}
	for (unsigned bits = 0; bits < 8; bits++) {
		char *p = make_file(s, "x", 0, OWNER);

		must(acl_set(
		        p, ACL_ACCESS, acl_of("u::%u u:2001:%u g::0 m::0 o::0", bits, ~bits & 7)));
		expect_bits(s, p, OWNER, bits, path(s, "the owner has %u", bits));
		must(acl_set(p, ACL_ACCESS, acl_of("u::0 u:9:7 g::7 m::7 o::%u", bits)));
		expect_bits(s, p, OTHER, bits, path(s, "others have %u", bits));
		must(acl_set(
		        p, ACL_ACCESS, acl_of("u::0 g::%u g:3003:%u m::7 o::0", bits, bits / 2)));
		expect(s, (bits & 4) || (bits / 2 & 4) ? 0 : EACCES,
		        AS(s, EXTRA, open_close(open(p, O_RDONLY | O_CLOEXEC))),
		        "either of two groups: own %u, named %u", bits, bits / 2);
	}
}

/* The list and the mode are two views: the group's bits of the mode are the mask. */
static void and_mode(struct suite *s)
{
	for (unsigned bits = 0; bits < 8; bits++) {
		char *p = make_file(s, "x", 0777, OWNER), buf[8];
		struct acl want;

		must(acl_set(
		        p, ACL_ACCESS, acl_of("u::6 u:2004:7 g::5 m::%u o::%u", bits, ~bits & 7)));
		same(s, mode_of(p), 0600 | bits << 3 | (~bits & 7), "mask %u: the mode", bits);
		must(chmod(p, 0700 | (~bits & 7) << 3 | bits));
		want = acl_of("u::7 u:2004:7 g::5 m::%u o::%u", ~bits & 7, bits);
		holds(s, acl_is(p, ACL_ACCESS, want), "mask %u after chmod: the list", bits);
		must(acl_set(p, ACL_ACCESS, acl_of("u::7 g::%u o::%u", bits, bits)));
		same(s, mode_of(p), 0700 | bits << 3 | bits, "a list that is a mode %u: the mode",
		        bits);
		expect(s, ENODATA, getxattr(p, ACL_ACCESS, buf, 0),
		        "a list that is a mode %u: none is kept", bits);
		must(acl_set(p, ACL_ACCESS, acl_of("u::6 u:2004:7 g::5 m::%u o::0", bits)));
		expect(s, 0, removexattr(p, ACL_ACCESS), "mask %u: removing the list", bits);
		expect(s, ENODATA, getxattr(p, ACL_ACCESS, buf, 0), "mask %u: it is removed", bits);
	}
}

static int make_file_in(const char *p, mode_t mode)
{
	return open_close(open(p, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode));
}

static int make_fifo_in(const char *p, mode_t mode)
{
	return mkfifo(p, mode);
}

static int make_dir_in(const char *p, mode_t mode)
{
	return mkdir(p, mode);
}

/* What is made in a directory with a default list gets that, cut to the mode asked for, whatever
 * the umask is. */
static void defaults(struct suite *s)
{
	static const struct maker all[] = {{"file", make_file_in, REG},
	        {"fifo", make_fifo_in, FIFO}, {"directory", make_dir_in, DIRECTORY}};
	static const mode_t modes[] = {0777, 0666, 0640, 0700, 0, 0467};
	struct acl given = acl_of("u::7 u:2004:6 g::5 g:3004:1 m::7 o::4");

	for (size_t i = 0; i < COUNT(all) * COUNT(modes); i++) {
		const struct maker *m = &all[i / COUNT(modes)];
		mode_t mode = modes[i % COUNT(modes)];
		char *dir = make_dir(s, 0777, ROOT), *p = path(s, "%s/x", dir),
		     *q = path(s, "%s/y", dir), buf[8];

		expect(s, 0, acl_set(dir, ACL_DEFAULT, given), "a default list, for a %s of %04o",
		        m->name, mode);
		same(s, mode_of(dir), 0777, "a default list leaves the mode, for a %s of %04o",
		        m->name, mode);
		umask(077);
		expect(s, 0, m->make(p, mode), "making a %s of %04o", m->name, mode);
		umask(0);
		same(s, mode_of(p), mode & 0774, "a %s of %04o: its mode", m->name, mode);
		holds(s,
		        acl_is(p, ACL_ACCESS,
		                acl_of("u::%u u:2004:6 g::5 g:3004:1 m::%u o::%u", mode >> 6 & 7,
		                        mode >> 3 & 7, mode & 4)),
		        "a %s of %04o: its list", m->name, mode);
		if (m->makes == DIRECTORY)
			holds(s, acl_is(p, ACL_DEFAULT, given),
			        "a directory of %04o: its default list", mode);
		else
			expect(s, ENODATA, getxattr(p, ACL_DEFAULT, buf, 0),
			        "a %s of %04o: no default list", m->name, mode);
		must(symlink("z", q));
		same(s, mode_of(q), 0777, "a symlink beside a %s of %04o", m->name, mode);
		must(removexattr(dir, ACL_DEFAULT));
		umask(027);
		must(m->make(path(s, "%s/w", dir), 0666));
		umask(0);
		same(s, mode_of(path(s, "%s/w", dir)), 0640,
		        "a %s of %04o: without a default, the umask", m->name, mode);
	}
}

static void owners(struct suite *s)
{
	struct acl a = acl_of("u::6 u:2004:4 g::4 m::4 o::0");

	for (enum type t = REG; t < LNK; t++) {
		for (enum who w = ROOT; w < WHOS; w++) {
			char *p = make(s, t);
			bool may = w == ROOT || w == OWNER;

			give(p, OWNER);
			must(chmod(p, 0777));
			expect(s, may ? 0 : EPERM, AS(s, w, acl_set(p, ACL_ACCESS, a)),
			        "a list on a %s by %s", type_name(t), who_name(w));
			expect(s,
			        t != DIRECTORY ? EACCES
			        : may          ? 0
			                       : EPERM,
			        AS(s, w, acl_set(p, ACL_DEFAULT, a)),
			        "a default list on a %s by %s", type_name(t), who_name(w));
			expect(s, may ? 0 : ENODATA, AS(s, w, getxattr(p, ACL_ACCESS, NULL, 0)),
			        "reading the list of a %s by %s", type_name(t), who_name(w));
			if (may)
				expect(s, EPERM, AS(s, OTHER, removexattr(p, ACL_ACCESS)),
				        "removing the list of a %s of %s by another user",
				        type_name(t), who_name(w));
		}
	}
	expect(s, EOPNOTSUPP, lsetxattr(make(s, LNK), ACL_ACCESS, a.bytes, a.size, 0),
	        "a list on a symlink");
	expect(s, ENODATA, getxattr(make(s, REG), ACL_ACCESS, NULL, 0), "reading no list");
	expect(s, ERANGE, ({
		char *p = make(s, REG), buf[5];

		must(acl_set(p, ACL_ACCESS, a));
		getxattr(p, ACL_ACCESS, buf, 5);
	}),
	        "reading a list into too little");
	for (enum who w = ROOT; w < WHOS; w++) {
		char *p = make_file(s, "x", 02755, OWNER);

		must(chown(p, uid_of(w), 3001));
		must(chmod(p, 02755));
		must(AS(s, w, acl_set(p, ACL_ACCESS, a)));
		same(s, mode_of(p) & S_ISGID, w == OTHER ? 0 : S_ISGID, "setgid after a list by %s",
		        who_name(w));
	}
}

static void search(struct suite *s)
{
	for (unsigned bits = 0; bits < 8; bits++) {
		char *dir = make_dir(s, 0700, OWNER), *p = path(s, "%s/x", dir),
		     *q = path(s, "%s/new", dir);
		struct stat st;

		make_at(REG, p);
		must(acl_set(dir, ACL_ACCESS, acl_of("u::7 u:2004:%u g::0 m::7 o::0", bits)));
		expect(s, bits & 1 ? 0 : EACCES, AS(s, OTHER, stat(p, &st)),
		        "searching by a list with %u", bits);
		expect(s, bits & 4 ? 0 : EACCES,
		        AS(s, OTHER, open_close(open(dir, O_RDONLY | O_CLOEXEC))),
		        "listing by a list with %u", bits);
		expect(s, (bits & 3) == 3 ? 0 : EACCES, AS(s, OTHER, make_file_in(q, 0644)),
		        "creating by a list with %u", bits);
		expect(s, (bits & 3) == 3 ? 0 : EACCES, AS(s, OTHER, unlink(p)),
		        "removing by a list with %u", bits);
	}
}

static void times(struct suite *s)
{
	char *p = make(s, REG);
	struct stat before = look(p), after;

	tick(s);
	must(acl_set(p, ACL_ACCESS, acl_of("u::6 u:2004:4 g::4 m::4 o::0")));
	after = look(p);
	holds(s, later(after.st_ctim, before.st_ctim), "a list moves the ctime");
	holds(s, equal_time(after.st_mtim, before.st_mtim), "a list leaves the mtime");
	tick(s);
	must(removexattr(p, ACL_ACCESS));
	holds(s, later(look(p).st_ctim, after.st_ctim), "removing it moves the ctime");
}

void cat_granular(struct suite *s)
{
	char *probe = make(s, REG);

	if (expect(s, 0, acl_set(probe, ACL_ACCESS, acl_of("u::6 u:2004:4 g::4 m::4 o::0")),
	            "a list")) {
		rights(s);
		and_mode(s);
		defaults(s);
		owners(s);
		search(s);
		times(s);
		acl_wrong(s);
	}
	xattrs(s);
}
