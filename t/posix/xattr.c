/* SPDX-License-Identifier: MIT
 * Extended attributes: user.* for files and directories, trusted.* for root. */
#include "acl.h"

static void values(struct suite *s)
{
	static const size_t sizes[] = {0, 1, 2, 100, 255, 256, 1000, 2000};

	for (enum type t = REG; t <= DIRECTORY; t++) {
		for (size_t i = 0; i < COUNT(sizes); i++) {
			char *p = make(s, t), got[4096],
			     *value = repeat(s, (char)('\xf0' + i), sizes[i]);

			expect(s, 0, setxattr(p, "user.a", value, sizes[i], 0),
			        "xattr of %zu bytes on a %s", sizes[i], type_name(t));
			same(s, getxattr(p, "user.a", NULL, 0), (ssize_t)sizes[i],
			        "xattr of %zu bytes on a %s: its size", sizes[i], type_name(t));
			same(s, getxattr(p, "user.a", got, sizeof got), (ssize_t)sizes[i],
			        "xattr of %zu bytes on a %s: reading", sizes[i], type_name(t));
			holds(s, memcmp(got, value, sizes[i]) == 0,
			        "xattr of %zu bytes on a %s: its value", sizes[i], type_name(t));
			if (sizes[i] > 1)
				expect(s, ERANGE, getxattr(p, "user.a", got, sizes[i] - 1),
				        "xattr of %zu bytes on a %s into too little", sizes[i],
				        type_name(t));
			expect(s, EEXIST, setxattr(p, "user.a", "n", 1, XATTR_CREATE),
			        "making an xattr of %zu bytes on a %s again", sizes[i],
			        type_name(t));
			expect(s, 0, setxattr(p, "user.a", "n", 1, XATTR_REPLACE),
			        "replacing an xattr of %zu bytes on a %s", sizes[i], type_name(t));
			same(s, getxattr(p, "user.a", got, sizeof got), 1,
			        "its new size, %zu on a %s", sizes[i], type_name(t));
			expect(s, 0, removexattr(p, "user.a"),
			        "removing an xattr of %zu bytes from a %s", sizes[i], type_name(t));
			expect(s, ENODATA, getxattr(p, "user.a", got, sizeof got),
			        "reading a removed xattr of %zu bytes of a %s", sizes[i],
			        type_name(t));
		}
	}
}

static bool in_list(const char *list, ssize_t n, const char *name)
{
	for (ssize_t i = 0; i < n; i += (ssize_t)strlen(list + i) + 1)
		if (strcmp(list + i, name) == 0)
			return true;
	return false;
}

static void lists(struct suite *s)
{
	static const char *const names[] = {"user.a", "user.A", "user.\xff\xfe", "user.with space",
	        "user.a.b.c", "user.=", "trusted.t"};
	static const char big[65537];
	char *p = make(s, REG), *longest = path(s, "user.%s", repeat(s, 'n', 250)), list[4096];
	ssize_t n;

	for (size_t i = 0; i < COUNT(names); i++) {
		expect(s, 0, setxattr(p, names[i], "v", 1, 0), "xattr name %zu", i + 1);
		n = listxattr(p, list, sizeof list);
		holds(s, in_list(list, n, names[i]), "xattr name %zu: it is listed", i + 1);
	}
	same(s, listxattr(p, NULL, 0), n, "the size of the list");
	expect(s, ERANGE, listxattr(p, list, 3), "a list into too little");
	n = AS(s, OTHER, listxattr(p, list, sizeof list));
	holds(s, !in_list(list, n, "trusted.t"), "a user does not see what is trusted");
	expect(s, 0, setxattr(p, longest, "v", 1, 0), "a name of 255 bytes");
	expect(s, ERANGE, setxattr(p, path(s, "user.%s", repeat(s, 'n', 251)), "v", 1, 0),
	        "a name of 256 bytes");
	expect(s, EOPNOTSUPP, setxattr(p, "unknown.a", "v", 1, 0), "an unknown namespace");
	expect(s, EINVAL, setxattr(p, "user.", "v", 1, 0), "a namespace alone");
	expect(s, ERANGE, setxattr(p, "", "v", 1, 0), "an empty name");
	expect(s, E2BIG, setxattr(p, "user.big", big, sizeof big, 0), "a value beyond 64 KiB");
	expect(s, EINVAL, setxattr(p, "user.a", "v", 1, 1 << 10), "a wrong flag");
	expect(s, ENODATA, setxattr(p, "user.none", "v", 1, XATTR_REPLACE), "replacing nothing");
	expect(s, ENODATA, removexattr(p, "user.none"), "removing nothing");
	expect(s, ENOENT, getxattr(fresh(s), "user.a", list, 8), "of nothing");
	expect(s, EFAULT, getxattr(p, s->bad, list, 8), "a name at an unreadable address");
}

static void rights(struct suite *s)
{
	static const int allowed[TYPES] = {0, 0, EPERM, EPERM, EPERM, EPERM, EPERM};

	for (enum type t = REG; t < TYPES; t++) {
		char *p = make(s, t);

		expect(s, allowed[t], lsetxattr(p, "user.a", "v", 1, 0), "a user xattr on a %s",
		        type_name(t));
		expect(s, 0, lsetxattr(p, "trusted.a", "v", 1, 0), "a trusted xattr on a %s",
		        type_name(t));
	}
	for (mode_t bits = 0; bits < 8; bits++) {
		char *p = make_file(s, "x", 0700 | bits, OWNER), c;

		must(setxattr(p, "user.a", "v", 1, 0));
		setxattr(p, "trusted.a", "v", 1, 0); /* where it may be there */
		expect(s, bits & 4 ? 0 : EACCES, AS(s, OTHER, getxattr(p, "user.a", &c, 1)),
		        "reading with bits %o", bits);
		expect(s, bits & 2 ? 0 : EACCES, AS(s, OTHER, setxattr(p, "user.b", "v", 1, 0)),
		        "setting with bits %o", bits);
		expect(s, bits & 2 ? 0 : EACCES, AS(s, OTHER, removexattr(p, "user.a")),
		        "removing with bits %o", bits);
		expect(s, ENODATA, AS(s, OTHER, getxattr(p, "trusted.a", &c, 1)),
		        "reading what is trusted, bits %o", bits);
		expect(s, EPERM, AS(s, OTHER, setxattr(p, "trusted.b", "v", 1, 0)),
		        "setting what is trusted, bits %o", bits);
	}
	{
		char *dir = make_dir(s, 01777, ROOT);

		expect(s, EPERM, AS(s, OTHER, setxattr(dir, "user.a", "v", 1, 0)),
		        "a user xattr on another's sticky directory");
		expect(s, 0, setxattr(dir, "user.a", "v", 1, 0),
		        "a user xattr on an own sticky directory");
	}
}

static void times(struct suite *s)
{
	char *p = make(s, REG), *q = fresh(s), c;
	struct stat before = look(p), after;
	int fd;

	tick(s);
	must(setxattr(p, "user.a", "v", 1, 0));
	after = look(p);
	holds(s, later(after.st_ctim, before.st_ctim), "an xattr moves the ctime");
	holds(s, equal_time(after.st_mtim, before.st_mtim), "an xattr leaves the mtime");
	before = after;
	tick(s);
	must(getxattr(p, "user.a", &c, 1));
	holds(s, equal_time(look(p).st_ctim, before.st_ctim), "reading one leaves the ctime");
	must(rename(p, q));
	same(s, getxattr(q, "user.a", &c, 1), 1, "an xattr moves along");
	fd = must(open(q, O_RDWR | O_CLOEXEC));
	must(unlink(q));
	same(s, fgetxattr(fd, "user.a", &c, 1), 1, "an unlinked file has its xattr");
	expect(s, 0, fsetxattr(fd, "user.b", "v", 1, 0), "an unlinked file gets another");
	must(close(fd));
}

/* A write takes a program's capabilities away. */
static void capability(struct suite *s)
{
	static const unsigned char cap[20] = {1, 0, 0, 2, 0, 4};

	for (enum who w = ROOT; w < WHOS; w++) {
		for (int how = 0; how < 3; how++) {
			static const char *const word[] = {"write", "truncate", "chown"};
			char *p = make_file(s, "x", 0777, OWNER);
			int fd;

			if (how == 2 && w > OWNER)
				continue;
			expect(s, 0, setxattr(p, "security.capability", cap, sizeof cap, 0),
			        "a capability, before a %s by %s", word[how], who_name(w));
			fd = must(AS(s, w, open(p, O_WRONLY | O_CLOEXEC)));
			if (how == 0)
				must(AS(s, w, write(fd, "y", 1)));
			else if (how == 1)
				must(AS(s, w, ftruncate(fd, 0)));
			else
				must(AS(s, w, chown(p, (uid_t)-1, 3001)));
			expect(s, ENODATA, getxattr(p, "security.capability", NULL, 0),
			        "a capability, after a %s by %s", word[how], who_name(w));
			must(close(fd));
		}
	}
}

void xattrs(struct suite *s)
{
	if (!expect(s, 0, setxattr(make(s, REG), "user.probe", "v", 1, 0), "a user xattr"))
		return;
	values(s);
	lists(s);
	rights(s);
	times(s);
	capability(s);
}
