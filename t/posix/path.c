/* SPDX-License-Identifier: MIT
 * What the kernel answers to paths, whatever the operation: missing and wrong components, lengths,
 * links, names. */
#include "posix.h"

#include <stdarg.h>

void prepare(struct suite *s, const struct op *op, const char *p, enum who who)
{
	(void)s;
	if (op->is & CREATES)
		return;
	make_at(op->on, p);
	give(p, who);
	if (op->on != LNK)
		must(chmod(p, op->on == DIRECTORY ? 0777 : 0666));
}

static bool is_type(const char *p, enum type t)
{
	struct stat st;
	char name[PATHS];
	size_t n = strlen(p);

	/* With its slash, a link would be followed. */
	memcpy(name, p, n + 1);
	while (n > 1 && name[n - 1] == '/')
		name[--n] = 0;
	return lstat(name, &st) == 0 && (st.st_mode & S_IFMT) == type_bits(t);
}

bool attempt_as(struct suite *s, enum who who, const struct op *op, int want, const char *p,
        const char *fmt, ...)
{
	bool named = op->is & (CREATES | REMOVES), before, good = true;
	char what[512];
	va_list ap;
	long result;
	int got;

	va_start(ap, fmt);
	vsnprintf(what, sizeof what, fmt, ap);
	va_end(ap);
	if (p >= s->bad - NAME_MAX && p < s->bad + 4096)
		named = false;
	before = named && exists(p);
	result = AS(s, who, op->run(s, AT_FDCWD, p));
	got = result < 0 ? errno : 0;
	if (named && got != 0)
		good = exists(p) == before;
	else if (named && op->is & CREATES)
		good = is_type(p, op->on);
	else if (named)
		good = !exists(p);
	if (!good && got == want) {
		suite_ok(s, false, __LINE__, "%s %s", op->name, what);
		printf("#   answers %s and does otherwise\n", errno_word(got));
		return false;
	}
	return suite_errno(s, got, want, __LINE__, "%s %s", op->name, what);
}

static void missing(struct suite *s, const struct op *op)
{
	char *dangling = make(s, LNK);

	attempt(s, op, ENOENT, path(s, "%s/x", fresh(s)), "below a missing directory");
	attempt(s, op, ENOENT, path(s, "%s/x", dangling), "below a dangling symlink");
	attempt(s, op, ENOENT, "", "of an empty path");
	if (!(op->is & CREATES))
		attempt(s, op, ENOENT, fresh(s), "of a missing name");
	if (op->is & CREATES)
		attempt(s, op, EEXIST, dangling, "over a dangling symlink");
	else if (!(op->is & NOFOLLOW))
		attempt(s, op, ENOENT, dangling, "through a dangling symlink");
}

static void components(struct suite *s, const struct op *op)
{
	for (enum type t = REG; t < TYPES; t++) {
		char *p, *link;

		if (t == DIRECTORY || t == LNK)
			continue;
		p = make(s, t);
		link = fresh(s);
		must(symlink(p, link));
		attempt(s, op, ENOTDIR, path(s, "%s/x", p), "below a %s", type_name(t));
		attempt(s, op, ENOTDIR, path(s, "%s/x", link), "below a symlink to a %s",
		        type_name(t));
		attempt(s, op, ENOTDIR, path(s, "%s/../%s", p, fresh(s)), "through a %s and ..",
		        type_name(t));
		if (op->is & CREATES && !(op->is & OWN_SLASH))
			attempt(s, op, EEXIST, path(s, "%s/", p), "of a %s with a slash",
			        type_name(t));
		else if (!(op->is & CREATES) && t == op->on)
			attempt(s, op, ENOTDIR, path(s, "%s/", p), "of a %s with a slash",
			        type_name(t));
	}
}

static void existing(struct suite *s, const struct op *op)
{
	for (enum type t = REG; t < TYPES; t++) {
		char *p = make(s, t), *link = fresh(s);

		must(symlink(p, link));
		attempt(s, op, EEXIST, p, "over a %s", type_name(t));
		attempt(s, op, EEXIST, link, "over a symlink to a %s", type_name(t));
	}
	if (op->is & OWN_SLASH)
		return;
	attempt(s, op, EEXIST, ".", "of .");
	attempt(s, op, EEXIST, "..", "of ..");
	attempt(s, op, EEXIST, "/", "of the root");
	attempt(s, op, EEXIST, path(s, "%s/", make(s, DIRECTORY)), "over a directory with a slash");
	attempt(s, op, EEXIST, path(s, "%s/.", make(s, DIRECTORY)), "of . in a directory");
	attempt(s, op, op->on == DIRECTORY ? 0 : ENOENT, path(s, "%s/", fresh(s)),
	        "of a new name with a slash");
}

static void lengths(struct suite *s, const struct op *op)
{
	char *p = repeat(s, 'a', NAME_MAX), *q;

	prepare(s, op, p, ROOT);
	attempt(s, op, 0, p, "of a name of 255 bytes");
	if (!(op->is & REMOVES))
		remove_tree(p);
	attempt(s, op, ENAMETOOLONG, repeat(s, 'b', NAME_MAX + 1), "of a name of 256 bytes");
	q = repeat(s, 'c', NAME_MAX + 1);
	attempt(s, op, ENAMETOOLONG, path(s, "%s/x", q), "below a name of 256 bytes");
	q = repeat(s, 'd', NAME_MAX);
	must(mkdir(q, 0755));
	p = path(s, "%s/%s", q, fresh(s));
	prepare(s, op, p, ROOT);
	attempt(s, op, 0, p, "below a directory with a name of 255 bytes");
	remove_tree(q);
	q = fresh(s);
	prepare(s, op, q, ROOT);
	attempt(s, op, 0, long_path(s, PATH_MAX - 1, q), "with a path of 4095 bytes");
	q = fresh(s);
	prepare(s, op, q, ROOT);
	attempt(s, op, ENAMETOOLONG, long_path(s, PATH_MAX, q), "with a path of 4096 bytes");
}

/* The first of n symbolic links that lead to `end` one through the other */
static char *chain(struct suite *s, const char *end, int n)
{
	static char first[16], next[16];

	snprintf(first, sizeof first, "%s", fresh(s));
	must(symlink(end, first));
	while (--n > 0) {
		snprintf(next, sizeof next, "%s", fresh(s));
		must(symlink(first, next));
		memcpy(first, next, sizeof first);
	}
	return first;
}

static void loops(struct suite *s, const struct op *op)
{
	char *self = fresh(s), *one = fresh(s), *two = fresh(s), *dir = make(s, DIRECTORY), *p;

	must(symlink(self, self));
	must(symlink(one, two));
	must(symlink(two, one));
	attempt(s, op, ELOOP, path(s, "%s/x", self), "below a symlink to itself");
	attempt(s, op, ELOOP, path(s, "%s/x", one), "below two symlinks to each other");
	if (op->is & CREATES)
		attempt(s, op, EEXIST, self, "over a symlink to itself");
	else if (!(op->is & NOFOLLOW))
		attempt(s, op, ELOOP, self, "of a symlink to itself");
	/* Linux ends at 40, in which it counts those that it followed before it had to begin anew,
	 * with locks: half of them always work. */
	p = path(s, "%s/%s", chain(s, dir, 20), fresh(s));
	prepare(s, op, p, ROOT);
	attempt(s, op, 0, p, "below a chain of 20 symlinks");
	p = path(s, "%s/%s", chain(s, dir, 41), fresh(s));
	attempt(s, op, ELOOP, p, "below a chain of 41 symlinks");
	if (op->is & (CREATES | NOFOLLOW))
		return;
	p = fresh(s);
	prepare(s, op, p, ROOT);
	attempt(s, op, 0, chain(s, p, 20), "through a chain of 20 symlinks");
	attempt(s, op, ELOOP, chain(s, p, 41), "through a chain of 41 symlinks");
}

static void faults(struct suite *s, const struct op *op)
{
	char *edge = s->bad - 4;

	memcpy(edge, "edge", 4);
	attempt(s, op, EFAULT, s->bad, "of a path at an unreadable address");
	attempt(s, op, EFAULT, edge, "of a path that runs into an unreadable address");
}

static void ways(struct suite *s, const struct op *op)
{
	char *dir = make(s, DIRECTORY), *sub = path(s, "%s/sub", dir), *link = fresh(s),
	     *absolute = fresh(s), here[PATH_MAX];
	const char *forms[] = {"%s/%s", "./%s/%s", "%s//%s", "%s/./%s", "%s/../%s", "%s///.//%s"};

	must(getcwd(here, sizeof here) ? 0 : -1);
	must(mkdir(sub, 0755));
	must(symlink(dir, link));
	must(symlink(path(s, "%s/%s", here, dir), absolute));
	for (size_t i = 0; i < COUNT(forms); i++) {
		char *name = fresh(s),
		     *p = path(s, i == 4 ? "%s" : "%s/%s", i == 4 ? name : dir, name);

		prepare(s, op, p, ROOT);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
		p = path(s, forms[i], dir, name);
#pragma GCC diagnostic pop
		attempt(s, op, 0, p, "as %s", i == 4 ? "dir/../name" : forms[i]);
	}
	for (int i = 0; i < 4; i++) {
		char *name = fresh(s), *p = path(s, "%s/%s", dir, name);

		prepare(s, op, p, ROOT);
		p = i == 0   ? path(s, "%s/%s", link, name)
		    : i == 1 ? path(s, "%s/sub/../%s", link, name)
		    : i == 2 ? path(s, "%s/%s", absolute, name)
		             : path(s, "%s/%s/%s", here, dir, name);
		attempt(s, op, 0, p, "%s",
		        i == 0   ? "through a symlink to a directory"
		        : i == 1 ? "through a symlink and .."
		        : i == 2 ? "through an absolute symlink"
		                 : "by an absolute path");
	}
}

/* In a directory that is gone, nothing is found and nothing is made. */
static void gone(struct suite *s, const struct op *op)
{
	char *dir = make(s, DIRECTORY);
	int here = must(open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));

	must(chdir(dir));
	must(unlinkat(here, dir, AT_REMOVEDIR));
	attempt(s, op, ENOENT, fresh(s), "in a directory that was removed");
	must(fchdir(here));
	must(close(here));
}

static void names(struct suite *s, const struct op *op)
{
	static const char *const odd[] = {"\xff", "\xfe\x80raw", "\xc3\xa9", "e\xcc\x81", "\xc3",
	        "\xed\xa0\x80", "\xf0\x9f\x90\xa7", " ", " a ", "a b", "\t", "\n", "a\nb", "\x01",
	        "\x7f", "...", "....", ".hidden", "-", "--help", "*", "?", "[a]", "\\", "\\x2f",
	        "\"", "'", "$HOME", "`a`", "a:b", "a;b", "a|b", "a,b", "a=b", "~", "%s%n", "CON",
	        "a.", "#", "\xe2\x80\xae.", "A", "a"};
	char *dir = make(s, DIRECTORY);

	must(chdir(dir));
	for (size_t i = 0; i < COUNT(odd); i++) {
		bool found;

		prepare(s, op, odd[i], ROOT);
		attempt(s, op, 0, odd[i], "of odd name %zu", i + 1);
		found = listed(".", odd[i]);
		if (op->is & (CREATES | REMOVES))
			same(s, found, !(op->is & REMOVES), "%s of odd name %zu: its entry is %s",
			        op->name, i + 1, op->is & REMOVES ? "gone" : "there");
		if (!(op->is & REMOVES))
			must(op->on == DIRECTORY ? rmdir(odd[i]) : unlink(odd[i]));
	}
	must(chdir(".."));
}

void path_matrix(struct suite *s, const struct op *op)
{
	missing(s, op);
	components(s, op);
	if (op->is & CREATES)
		existing(s, op);
	lengths(s, op);
	loops(s, op);
	faults(s, op);
	ways(s, op);
	gone(s, op);
	names(s, op);
}
