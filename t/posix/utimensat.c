/* SPDX-License-Identifier: MIT */
#include "posix.h"

static int run_now(struct suite *s, int dir, const char *p)
{
	(void)s;
	return utimensat(dir, p, NULL, 0);
}

static int run_set(struct suite *s, int dir, const char *p)
{
	const struct timespec t[2] = {{.tv_sec = 1000000000, .tv_nsec = 1}, {.tv_sec = 4000000000}};

	(void)s;
	return utimensat(dir, p, t, 0);
}

static int run_link(struct suite *s, int dir, const char *p)
{
	const struct timespec t[2] = {{.tv_sec = 1000000000, .tv_nsec = 1}, {.tv_sec = 4000000000}};

	(void)s;
	return utimensat(dir, p, t, AT_SYMLINK_NOFOLLOW);
}

/* ext4 keeps 34 bits of seconds; what is outside is clamped, so that is not asked. */
static void values(struct suite *s)
{
	static const struct timespec all[] = {{0, 0}, {0, 1}, {1, 999999999}, {-1, 0},
	        {-1, 999999999}, {-1000000000, 5}, {INT32_MIN, 0}, {INT32_MAX, 999999999},
	        {2147483648, 0}, {4294967295, 1}, {4294967296, 2}, {10000000000, 123456789},
	        {1500000000, 100}, {1500000000, 123456700}};

	for (enum type t = REG; t < TYPES; t++) {
		for (size_t i = 0; i < COUNT(all); i++) {
			size_t j = (i + 5) % COUNT(all);
			struct timespec both[2] = {all[i], all[j]};
			char *p = make(s, t);
			struct stat st;

			expect(s, 0, utimensat(AT_FDCWD, p, both, AT_SYMLINK_NOFOLLOW),
			        "times of a %s to pair %zu", type_name(t), i + 1);
			st = look(p);
			holds(s, equal_time(st.st_atim, all[i]), "a %s of pair %zu: its atime",
			        type_name(t), i + 1);
			holds(s, equal_time(st.st_mtim, all[j]), "a %s of pair %zu: its mtime",
			        type_name(t), i + 1);
		}
	}
}

/* UTIME_OMIT leaves, UTIME_NOW is the present; 0 stands for a value. */
static void special(struct suite *s)
{
	static const long nsec[] = {0, UTIME_NOW, UTIME_OMIT};
	static const char *const word[] = {"a value", "now", "omitted"};

	for (size_t i = 0; i < 9; i++) {
		struct timespec both[2] = {{.tv_sec = 77, .tv_nsec = nsec[i / 3]},
		        {.tv_sec = 88, .tv_nsec = nsec[i % 3]}};
		char *p = make(s, REG);
		struct stat before, after;

		run_set(s, AT_FDCWD, p);
		before = look(p);
		tick(s);
		expect(s, 0, utimensat(AT_FDCWD, p, both, 0), "atime %s, mtime %s", word[i / 3],
		        word[i % 3]);
		after = look(p);
		holds(s,
		        i / 3 == 0   ? after.st_atim.tv_sec == 77
		        : i / 3 == 1 ? later(after.st_atim, before.st_ctim)
		                     : equal_time(after.st_atim, before.st_atim),
		        "atime %s, mtime %s: the atime", word[i / 3], word[i % 3]);
		holds(s,
		        i % 3 == 0   ? after.st_mtim.tv_sec == 88
		        : i % 3 == 1 ? later(after.st_mtim, before.st_ctim)
		                     : equal_time(after.st_mtim, before.st_mtim),
		        "atime %s, mtime %s: the mtime", word[i / 3], word[i % 3]);
		same(s, later(after.st_ctim, before.st_ctim), i != 8,
		        "atime %s, mtime %s: the ctime", word[i / 3], word[i % 3]);
	}
}

/* Whoever may write may say now; only the owner may say when. */
static void rights(struct suite *s)
{
	static const struct {
		const char *what;
		struct timespec both[2];
		bool now;
	} ways[] = {{"now", {{0, UTIME_NOW}, {0, UTIME_NOW}}, true},
	        {"values", {{1, 2}, {3, 4}}, false}, {"an atime", {{1, 2}, {0, UTIME_OMIT}}, false},
	        {"an mtime", {{0, UTIME_OMIT}, {1, 2}}, false},
	        {"now for the atime alone", {{0, UTIME_NOW}, {0, UTIME_OMIT}}, false},
	        {"now for the mtime alone", {{0, UTIME_OMIT}, {0, UTIME_NOW}}, false},
	        {"nothing", {{0, UTIME_OMIT}, {0, UTIME_OMIT}}, true}};

	for (enum type t = REG; t < LNK; t++) {
		for (enum who w = ROOT; w < WHOS; w++) {
			for (size_t i = 0; i < COUNT(ways) * 2; i++) {
				bool writable = i % 2, owns = w == ROOT || w == OWNER,
				     none = i / 2 == 6;
				int want = none || owns || (ways[i / 2].now && writable) ? 0
				           : ways[i / 2].now                             ? EACCES
				                                                         : EPERM;
				char *p = make(s, t);

				give(p, OWNER);
				must(chmod(p, writable ? 0666 : 0644));
				expect(s, want,
				        AS(s, w, utimensat(AT_FDCWD, p, ways[i / 2].both, 0)),
				        "%s for a %swritable %s by %s", ways[i / 2].what,
				        writable ? "" : "non-", type_name(t), who_name(w));
			}
		}
	}
}

static void wrong(struct suite *s)
{
	static const long bad[] = {-1, 1000000000, 1999999999, UTIME_NOW + 3, LONG_MIN, LONG_MAX};
	char *p = make(s, REG);
	struct stat before = look(p), after;

	for (size_t i = 0; i < COUNT(bad); i++) {
		struct timespec both[2] = {{.tv_nsec = bad[i]}, {.tv_nsec = 0}},
		                swap[2] = {both[1], both[0]};

		expect(s, EINVAL, utimensat(AT_FDCWD, p, both, 0),
		        "wrong nanoseconds %zu for the atime", i + 1);
		expect(s, EINVAL, utimensat(AT_FDCWD, p, swap, 0),
		        "wrong nanoseconds %zu for the mtime", i + 1);
	}
	after = look(p);
	holds(s, equal_time(before.st_ctim, after.st_ctim), "wrong nanoseconds change nothing");
	expect(s, EINVAL, utimensat(AT_FDCWD, p, NULL, 1 << 20), "a wrong flag");
	expect(s, EFAULT, utimensat(AT_FDCWD, p, (struct timespec *)s->bad, 0),
	        "an unreadable address");
	expect(s, EBADF, futimens(9999, NULL), "futimens of no descriptor");
}

static void descriptors(struct suite *s)
{
	const struct timespec both[2] = {{.tv_sec = 5}, {.tv_sec = 6, .tv_nsec = 7}};

	for (int i = 0; i < 3; i++) {
		static const int ways[] = {O_RDONLY, O_WRONLY, O_RDWR};
		char *p = make_file(s, "x", 0644, ROOT);
		int fd = must(open(p, ways[i] | O_CLOEXEC));
		struct stat st;

		expect(s, 0, futimens(fd, both), "futimens of an open file %d", i + 1);
		same(s, look(p).st_mtim.tv_sec, 6, "an open file %d: its mtime", i + 1);
		must(unlink(p));
		expect(s, 0, futimens(fd, (struct timespec[2]){{.tv_sec = 9}, {.tv_sec = 10}}),
		        "futimens of an unlinked file %d", i + 1);
		must(fstat(fd, &st));
		same(s, st.st_mtim.tv_sec, 10, "an unlinked file %d: its mtime", i + 1);
		must(close(fd));
	}
}

/* Times that were set stay while others look, read, link and rename; writing moves the mtime. */
static void staying(struct suite *s)
{
	const struct timespec both[2] = {{.tv_sec = 2000000000}, {.tv_sec = 1000000, .tv_nsec = 3}};
	char *p = make_file(s, "content", 0644, ROOT), *q = fresh(s), c;
	int fd = must(open(p, O_RDWR | O_CLOEXEC));
	struct stat st;

	must(futimens(fd, both));
	must(read(fd, &c, 1));
	must(link(p, q));
	must(rename(p, fresh(s)));
	must(chmod(q, 0600));
	must(chown(q, 1, 1));
	must(fsync(fd));
	st = look(q);
	holds(s, equal_time(st.st_mtim, both[1]),
	        "the mtime stays over read, link, rename, chmod, chown");
	must(pwrite(fd, "x", 1, 0));
	st = look(q);
	holds(s, later(st.st_mtim, both[1]), "a write moves it");
	must(futimens(fd, both));
	must(close(fd));
	st = look(q);
	holds(s, equal_time(st.st_mtim, both[1]),
	        "closing does not move what was set after a write");
	must(truncate(q, 3));
	holds(s, later(look(q).st_mtim, both[1]), "truncate moves it");
	must(utimensat(AT_FDCWD, q, both, 0));
	must(truncate(q, 3));
	holds(s, later(look(q).st_mtim, both[1]), "truncate to the same size moves it, too");
}

void cat_utimensat(struct suite *s)
{
	static const struct op all[] = {{"utimensat", run_set, REG, 0},
	        {"utimensat of a directory", run_set, DIRECTORY, 0},
	        {"utimensat to now", run_now, REG, 0},
	        {"utimensat of a symlink", run_link, LNK, NOFOLLOW}};

	for (size_t i = 0; i < COUNT(all); i++)
		op_matrix(s, &all[i]);
	values(s);
	special(s);
	rights(s);
	wrong(s);
	descriptors(s);
	staying(s);
}
