/* SPDX-License-Identifier: MIT */
#include "open.h"

static mode_t mode_for(enum who w, mode_t bits)
{
	mode_t rest = ~bits & 7;

	return w == OWNER   ? bits << 6 | rest << 3 | rest
	       : w == OTHER ? rest << 6 | rest << 3 | bits
	                    : rest << 6 | bits << 3 | rest;
}

void open_rights(struct suite *s)
{
	static const struct {
		const char *what;
		int flags;
		mode_t need;
	} ways[] = {{"to read", O_RDONLY, 4}, {"to write", O_WRONLY, 2}, {"for both", O_RDWR, 6},
	        {"to truncate", O_WRONLY | O_TRUNC, 2},
	        {"to read and truncate", O_RDONLY | O_TRUNC, 6},
	        {"to append", O_WRONLY | O_APPEND, 2}, {"for nothing", O_PATH, 0}};

	for (enum who w = OWNER; w < WHOS; w++) {
		for (mode_t bits = 0; bits < 8; bits++) {
			char *p = make_file(s, "content", mode_for(w, bits), OWNER),
			     *dir = make_dir(s, mode_for(w, bits), OWNER);

			for (size_t i = 0; i < COUNT(ways); i++)
				expect(s, (bits & ways[i].need) == ways[i].need ? 0 : EACCES,
				        AS(s, w, open_close(open(p, ways[i].flags | O_CLOEXEC))),
				        "a file with bits %o %s by %s", bits, ways[i].what,
				        who_name(w));
			expect(s, bits & 4 ? 0 : EACCES,
			        AS(s, w, open_close(open(dir, O_RDONLY | O_CLOEXEC))),
			        "a directory with bits %o to read by %s", bits, who_name(w));
			expect(s, EISDIR, AS(s, w, open_close(open(dir, O_WRONLY | O_CLOEXEC))),
			        "a directory with bits %o to write by %s", bits, who_name(w));
			for (int need = 1; need <= 4; need *= 2)
				expect(s, bits & (mode_t)need ? 0 : EACCES,
				        AS(s, w, access(p, need)),
				        "access %d to a file with bits %o by %s", need, bits,
				        who_name(w));
		}
	}
	for (mode_t bits = 0; bits < 8; bits++) {
		char *p = make_file(s, "x", bits << 6, OWNER);

		expect(s, 0, open_close(open(p, O_RDWR | O_CLOEXEC)),
		        "a file with bits %o for both by root", bits);
		expect(s, bits & 1 ? 0 : EACCES, access(p, X_OK),
		        "access to run a file with bits %o by root", bits);
	}
}

static void types(struct suite *s)
{
	static const struct {
		const char *what;
		int flags, want[TYPES]; /* REG, DIRECTORY, FIFO, SOCK, CHR, BLK (no driver), LNK
		                           (dangling) */
	} all[] = {
	        {"O_RDONLY", O_RDONLY, {0, 0, 0, ENXIO, 0, -1, ENOENT}},
	        {"O_RDWR", O_RDWR, {0, EISDIR, 0, ENXIO, 0, -1, ENOENT}},
	        {"O_WRONLY", O_WRONLY, {0, EISDIR, ENXIO, ENXIO, 0, -1, ENOENT}},
	        {"O_DIRECTORY", O_DIRECTORY,
	                {ENOTDIR, 0, ENOTDIR, ENOTDIR, ENOTDIR, ENOTDIR, ENOENT}},
	        {"O_NOFOLLOW", O_NOFOLLOW, {0, 0, 0, ENXIO, 0, -1, ELOOP}},
	        {"O_DIRECTORY|O_NOFOLLOW", O_DIRECTORY | O_NOFOLLOW,
	                {ENOTDIR, 0, ENOTDIR, ENOTDIR, ENOTDIR, ENOTDIR, ENOTDIR}},
	        {"O_PATH", O_PATH, {0, 0, 0, 0, 0, 0, ENOENT}},
	        {"O_PATH|O_NOFOLLOW", O_PATH | O_NOFOLLOW, {0, 0, 0, 0, 0, 0, 0}},
	        {"O_CREAT", O_CREAT, {0, EISDIR, 0, ENXIO, 0, -1, 0}},
	        {"O_CREAT|O_EXCL", O_CREAT | O_EXCL,
	                {EEXIST, EEXIST, EEXIST, EEXIST, EEXIST, EEXIST, EEXIST}},
	        {"O_CREAT|O_NOFOLLOW", O_CREAT | O_NOFOLLOW, {0, EISDIR, 0, ENXIO, 0, -1, ELOOP}},
	        {"O_WRONLY|O_TRUNC", O_WRONLY | O_TRUNC, {0, EISDIR, ENXIO, ENXIO, 0, -1, ENOENT}},
	        {"O_WRONLY|O_DIRECTORY", O_WRONLY | O_DIRECTORY,
	                {ENOTDIR, EISDIR, ENOTDIR, ENOTDIR, ENOTDIR, ENOTDIR, ENOENT}},
	        {"O_RDWR|O_APPEND", O_RDWR | O_APPEND, {0, EISDIR, 0, ENXIO, 0, -1, ENOENT}},
	        {"O_RDWR|O_SYNC", O_RDWR | O_SYNC, {0, EISDIR, 0, ENXIO, 0, -1, ENOENT}},
	        {"O_NOATIME", O_NOATIME, {0, 0, 0, ENXIO, 0, -1, ENOENT}},
	};

	for (size_t i = 0; i < COUNT(all); i++) {
		for (enum type t = REG; t < TYPES; t++) {
			char *p = make(s, t), *l = fresh(s);
			int want = all[i].want[t];
			bool nofollow = all[i].flags & O_NOFOLLOW, excl = all[i].flags & O_EXCL;

			unlink("nowhere");
			if (want == -1)
				continue; /* whatever driver there is */
			must(symlink(p, l));
			expect(s, want,
			        open_close(open(p, all[i].flags | O_NONBLOCK | O_CLOEXEC, 0644)),
			        "%s of a %s", all[i].what, type_name(t));
			if (t == LNK)
				continue;
			if (nofollow && !(all[i].flags & O_PATH))
				want = all[i].flags & O_DIRECTORY ? ENOTDIR : ELOOP;
			if (excl)
				want = EEXIST;
			expect(s, want,
			        open_close(open(l, all[i].flags | O_NONBLOCK | O_CLOEXEC, 0644)),
			        "%s of a symlink to a %s", all[i].what, type_name(t));
		}
		expect(s, all[i].flags & O_CREAT ? 0 : ENOENT,
		        open_close(open(fresh(s), all[i].flags | O_CLOEXEC, 0644)), "%s of nothing",
		        all[i].what);
	}
}

static void append(struct suite *s)
{
	char *p = make_file(s, "0123456789", 0644, ROOT), buf[32] = "";
	int one = must(open(p, O_RDWR | O_APPEND | O_CLOEXEC)),
	    two = must(open(p, O_WRONLY | O_APPEND | O_CLOEXEC)),
	    three = must(open(p, O_WRONLY | O_CLOEXEC));

	same(s, lseek(one, 0, SEEK_CUR), 0, "O_APPEND begins at the start");
	same(s, write(one, "a", 1), 1, "one appends");
	same(s, lseek(one, 0, SEEK_CUR), 11, "and is at the end");
	same(s, write(two, "b", 1), 1, "another appends");
	must(lseek(one, 3, SEEK_SET));
	same(s, write(one, "c", 1), 1, "the first appends, wherever it is");
	same(s, write(three, "X", 1), 1, "one without O_APPEND writes at the start");
	same(s, pwrite(three, "Y", 1, 1), 1, "and where it says");
	same(s, pwrite(two, "d", 1, 0), 1, "pwrite with O_APPEND appends on Linux");
	same(s, pread(one, buf, sizeof buf, 0), 14, "all of it is there");
	holds(s, strcmp(buf, "XY23456789abcd") == 0, "in the order of the writes");
	must(ftruncate(three, 2));
	same(s, write(two, "e", 1), 1, "appending after it was cut");
	same(s, size_of(p), 3, "is at the new end");
	must(fcntl(two, F_SETFL, 0));
	same(s, write(two, "f", 1), 1, "without O_APPEND it goes on where it was");
	same(s, size_of(p), 4, "which is the end");
	must(close(one));
	must(close(two));
	must(close(three));
}

static void noatime_and_temporary(struct suite *s)
{
	char *p = make_file(s, "x", 0666, OWNER), *dir = make_dir(s, 0777, ROOT), *name = fresh(s),
	     buf[8];
	int fd;
	struct stat st;

	expect(s, 0, AS(s, OWNER, open_close(open(p, O_RDONLY | O_NOATIME | O_CLOEXEC))),
	        "O_NOATIME by the owner");
	expect(s, EPERM, AS(s, OTHER, open_close(open(p, O_RDONLY | O_NOATIME | O_CLOEXEC))),
	        "O_NOATIME by another user");
	fd = open(dir, O_RDWR | O_TMPFILE | O_CLOEXEC, 0640);
	expect(s, 0, fd, "O_TMPFILE");
	if (fd < 0) /* so that all that follows is asked anyway */
		fd = must(open(path(s, "%s/x", dir), O_RDWR | O_CREAT | O_CLOEXEC, 0640));
	must(fstat(fd, &st));
	same(s, st.st_mode, S_IFREG | 0640, "O_TMPFILE: its mode");
	same(s, st.st_nlink, 0, "O_TMPFILE: its links");
	must(write(fd, "tmp", 3));
	expect(s, 0, linkat(fd, "", AT_FDCWD, name, AT_EMPTY_PATH), "O_TMPFILE: linked into place");
	must(close(fd));
	fd = open(name, O_RDONLY | O_CLOEXEC);
	same(s, fd < 0 ? -1 : read(fd, buf, 8), 3, "O_TMPFILE: its content");
	open_close(fd);
	expect(s, EINVAL, open_close(open(dir, O_RDONLY | O_TMPFILE | O_CLOEXEC, 0600)),
	        "O_TMPFILE to read");
	expect(s, ENOTDIR, open_close(open(p, O_RDWR | O_TMPFILE | O_CLOEXEC, 0600)),
	        "O_TMPFILE of a file");
}

static void slashes(struct suite *s)
{
	char *p = make(s, REG), *dir = make(s, DIRECTORY), *l = fresh(s);

	must(symlink(dir, l));
	expect(s, 0, open_close(open(path(s, "%s/", dir), O_RDONLY | O_CLOEXEC)),
	        "a directory with a slash");
	expect(s, 0, open_close(open(path(s, "%s/", l), O_RDONLY | O_NOFOLLOW | O_CLOEXEC)),
	        "a symlink to a directory with a slash");
	expect(s, ENOTDIR, open_close(open(path(s, "%s/", p), O_RDONLY | O_CLOEXEC)),
	        "a file with a slash");
	expect(s, EISDIR,
	        open_close(open(path(s, "%s/", fresh(s)), O_RDWR | O_CREAT | O_CLOEXEC, 0644)),
	        "creating a name with a slash");
	expect(s, EISDIR, open_close(open(".", O_RDWR | O_CREAT | O_CLOEXEC, 0644)), "creating .");
	expect(s, EISDIR, open_close(open("..", O_RDWR | O_CREAT | O_CLOEXEC, 0644)),
	        "creating ..");
	expect(s, EACCES,
	        AS(s, OTHER, open_close(open(fresh(s), O_RDWR | O_CREAT | O_CLOEXEC, 0644))),
	        "creating without the right");
}

void open_flags(struct suite *s)
{
	types(s);
	append(s);
	noatime_and_temporary(s);
	slashes(s);
}
