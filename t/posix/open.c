/* SPDX-License-Identifier: MIT */
#include "posix.h"
#include "open.h"

#include <sys/resource.h>

static int run(struct suite *s, int dir, const char *p)
{
	(void)s;
	return open_close(openat(dir, p, O_RDONLY | O_NONBLOCK | O_CLOEXEC));
}

static int run_new(struct suite *s, int dir, const char *p)
{
	(void)s;
	return open_close(openat(dir, p, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644));
}

static int run_truncate(struct suite *s, int dir, const char *p)
{
	(void)s;
	return open_close(openat(dir, p, O_WRONLY | O_TRUNC | O_CLOEXEC));
}

static int make_it(const char *p, mode_t mode)
{
	return open_close(open(p, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode));
}

static int make_for_both(const char *p, mode_t mode)
{
	return open_close(open(p, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, mode));
}

/* Every byte but NUL and the slash may be a name. */
static void bytes(struct suite *s)
{
	char *dir = make(s, DIRECTORY);

	must(chdir(dir));
	for (int c = 1; c < 256; c++) {
		char name[] = {'n', (char)c, 0};

		if (c == '/')
			continue;
		expect(s, 0, run_new(s, AT_FDCWD, name), "a name with byte %02x", c);
		same(s, listed(".", name), 1, "a name with byte %02x: its entry", c);
		must(unlink(name));
	}
	must(chdir(".."));
}

/* What a file was created for may be done with it, whatever its mode. */
static void created(struct suite *s)
{
	static const int ways[] = {O_RDONLY, O_WRONLY, O_RDWR};

	for (mode_t mode = 0; mode <= 0777; mode += 0111) {
		for (size_t i = 0; i < COUNT(ways); i++) {
			char *p = path(s, "to/%s", fresh(s)), c;
			int fd = AS(s, OTHER, open(p, ways[i] | O_CREAT | O_CLOEXEC, mode));

			expect(s, 0, fd, "creating with mode %04o, way %zu", mode, i + 1);
			same(s, write(fd, "x", 1), i ? 1 : -1,
			        "writing what was made with mode %04o, way %zu", mode, i + 1);
			same(s, pread(fd, &c, 1, 0), i == 1 ? -1 : (ssize_t)(i == 2),
			        "reading what was made with mode %04o, way %zu", mode, i + 1);
			close(fd);
			expect(s,
			        i == 0 && mode & 0400             ? 0
			        : i == 1 && mode & 0200           ? 0
			        : i == 2 && (mode & 0600) == 0600 ? 0
			                                          : EACCES,
			        AS(s, OTHER,
			                open_close(open(p, ways[i] | O_CREAT | O_CLOEXEC, 0777))),
			        "opening what was made with mode %04o, way %zu", mode, i + 1);
			same(s, mode_of(p), mode, "what was made with mode %04o, way %zu: its mode",
			        mode, i + 1);
		}
	}
}

static void unlinked(struct suite *s)
{
	char *dir = make(s, DIRECTORY), *p = path(s, "%s/x", dir), proc[64], buf[8];
	int fd = must(open(p, O_RDWR | O_CREAT | O_CLOEXEC, 0600)), again;

	must(write(fd, "hello", 5));
	must(unlink(p));
	snprintf(proc, sizeof proc, "/proc/self/fd/%d", fd);
	again = open(proc, O_RDONLY | O_CLOEXEC);
	expect(s, 0, again, "opening an unlinked file again through /proc");
	same(s, again < 0 ? -1 : read(again, buf, 8), 5, "reading what was opened again");
	open_close(again);
	must(close(fd));
	for (int i = 0; i < 20; i++) {
		fd = open(path(s, "%s/y", dir), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
		expect(s, 0, fd, "making a name again that was unlinked while open, %d", i + 1);
		must(write(fd, &(char){(char)i}, 1));
		must(unlink(path(s, "%s/y", dir)));
		same(s, pread(fd, buf, 8, 0), 1, "its length %d", i + 1);
		same(s, buf[0], i, "its content %d", i + 1);
		must(close(fd));
	}
	expect(s, 0, rmdir(dir), "and nothing of it is left");
}

static void limit(struct suite *s)
{
	struct rlimit old, low;
	char *p = make(s, REG);
	int fd = must(open(p, O_RDONLY | O_CLOEXEC));

	must(getrlimit(RLIMIT_NOFILE, &old));
	low = old;
	low.rlim_cur = (rlim_t)fd + 1;
	must(setrlimit(RLIMIT_NOFILE, &low));
	expect(s, EMFILE, open_close(open(p, O_RDONLY | O_CLOEXEC)), "with no descriptor left");
	expect(s, EMFILE, open_close(open("never", O_RDWR | O_CREAT | O_CLOEXEC, 0644)),
	        "creating with no descriptor left");
	holds(s, !exists("never"), "and nothing was created");
	must(setrlimit(RLIMIT_NOFILE, &old));
	must(close(fd));
}

void cat_open(struct suite *s)
{
	static const struct op ops[] = {{"open", run, REG, QUIET},
	        {"opening a directory", run, DIRECTORY, QUIET},
	        {"creating", run_new, REG, CREATES | OWN_SLASH},
	        {"truncating", run_truncate, REG, WRITES}};
	static const struct maker makers[] = {
	        {"O_EXCL", make_it, REG}, {"O_CREAT", make_for_both, REG}};

	must(mkdir("to", 0777));
	for (size_t i = 0; i < COUNT(ops); i++)
		op_matrix(s, &ops[i]);
	for (size_t i = 0; i < COUNT(makers); i++)
		create_matrix(s, &makers[i]);
	open_rights(s);
	open_flags(s);
	bytes(s);
	created(s);
	unlinked(s);
	limit(s);
}
