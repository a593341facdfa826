/* SPDX-License-Identifier: MIT */
#include "posix.h"

#include <linux/falloc.h>
#include <signal.h>
#include <sys/resource.h>

/* posix_fallocate(3) returns its error. */
static int allocate(int fd, off_t at, off_t size)
{
	errno = posix_fallocate(fd, at, size);
	return errno ? -1 : 0;
}

static bool zeroes(int fd, off_t from, off_t to)
{
	char buf[4096];

	while (from < to) {
		size_t want = to - from < (off_t)sizeof buf ? (size_t)(to - from) : sizeof buf;

		if (pread(fd, buf, want, from) != (ssize_t)want)
			return false;
		for (size_t i = 0; i < want; i++)
			if (buf[i])
				return false;
		from += (off_t)want;
	}
	return true;
}

static void ranges(struct suite *s)
{
	static const off_t sizes[] = {0, 1, 5, 4096, 10000}, starts[] = {0, 1, 4095, 4096, 20000},
	                   lengths[] = {1, 100, 4096, 70000};

	for (size_t i = 0; i < COUNT(sizes) * COUNT(starts) * COUNT(lengths); i++) {
		off_t size = sizes[i / 20], start = starts[i / 4 % 5], length = lengths[i % 4],
		      end = start + length, want = end > size ? end : size;
		char *p = fresh(s), c;
		int fd = must(open(p, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0644));
		struct stat st;

		for (off_t at = 0; at < size; at += 997)
			must(pwrite(fd, "x", 1, at));
		must(ftruncate(fd, size));
		expect(s, 0, allocate(fd, start, length), "%jd bytes: %jd from %jd", (intmax_t)size,
		        (intmax_t)length, (intmax_t)start);
		must(fstat(fd, &st));
		same(s, st.st_size, want, "%jd bytes: %jd from %jd: the size", (intmax_t)size,
		        (intmax_t)length, (intmax_t)start);
		holds(s, size == 0 || (pread(fd, &c, 1, 0) == 1 && c == 'x'),
		        "%jd bytes: %jd from %jd: what was written", (intmax_t)size,
		        (intmax_t)length, (intmax_t)start);
		holds(s, zeroes(fd, size, want), "%jd bytes: %jd from %jd: the rest is zeroes",
		        (intmax_t)size, (intmax_t)length, (intmax_t)start);
		holds(s, st.st_blocks * 512 >= length, "%jd bytes: %jd from %jd: blocks are there",
		        (intmax_t)size, (intmax_t)length, (intmax_t)start);
		must(close(fd));
		must(unlink(p));
	}
}

static void errors(struct suite *s)
{
	char *p = make_file(s, "hello", 0644, ROOT), *fifo = make(s, FIFO),
	     *dir = make(s, DIRECTORY);
	int fd = must(open(p, O_RDWR | O_CLOEXEC)), ends[2];

	expect(s, EINVAL, allocate(fd, 0, 0), "no bytes");
	expect(s, EINVAL, allocate(fd, 0, -1), "-1 bytes");
	expect(s, EINVAL, allocate(fd, -1, 1), "from -1");
	expect(s, EINVAL, allocate(fd, -1, 0), "no bytes from -1");
	expect(s, EINVAL, allocate(fd, INT64_MIN, 1), "from the smallest number");
	expect(s, EFBIG, allocate(fd, INT64_MAX, 1), "from the largest number");
	expect(s, EFBIG, allocate(fd, 1, INT64_MAX), "the largest number of bytes");
	same(s, size_of(p), 5, "errors leave the size");
	must(close(fd));
	expect(s, EBADF, allocate(fd, 0, 1), "a closed descriptor");
	fd = must(open(p, O_RDONLY | O_CLOEXEC));
	expect(s, EBADF, allocate(fd, 0, 1), "a file opened to read");
	must(close(fd));
	fd = must(open(p, O_PATH | O_CLOEXEC));
	expect(s, EBADF, allocate(fd, 0, 1), "a file opened by O_PATH");
	must(close(fd));
	fd = must(open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	expect(s, EBADF, allocate(fd, 0, 1), "a directory");
	must(close(fd));
	fd = must(open(fifo, O_RDWR | O_CLOEXEC));
	expect(s, ESPIPE, allocate(fd, 0, 1), "a fifo");
	must(close(fd));
	must(pipe(ends));
	expect(s, ESPIPE, allocate(ends[1], 0, 1), "a pipe");
	must(close(ends[0]));
	must(close(ends[1]));
}

static void limits(struct suite *s)
{
	struct rlimit old, low = {.rlim_cur = 65536};
	int fd = must(open(fresh(s), O_RDWR | O_CREAT | O_CLOEXEC, 0644));

	must(getrlimit(RLIMIT_FSIZE, &old));
	low.rlim_max = old.rlim_max;
	signal(SIGXFSZ, SIG_IGN);
	must(setrlimit(RLIMIT_FSIZE, &low));
	expect(s, 0, allocate(fd, 0, 65536), "up to the limit");
	expect(s, EFBIG, allocate(fd, 0, 65537), "beyond the limit");
	must(setrlimit(RLIMIT_FSIZE, &old));
	signal(SIGXFSZ, SIG_DFL);
	must(close(fd));
}

static void set_ids(struct suite *s)
{
	static const mode_t modes[] = {04777, 02777, 06777, 01777};

	for (size_t i = 0; i < COUNT(modes); i++) {
		for (enum who w = ROOT; w < WHOS; w++) {
			mode_t left = modes[i];
			char *p = make_file(s, "x", left, OWNER);
			int fd = must(AS(s, w, open(p, O_RDWR | O_CLOEXEC)));

			if (w != ROOT)
				left &= (mode_t) ~(S_ISUID | S_ISGID);
			expect(s, 0, AS(s, w, allocate(fd, 0, 100)), "of mode %04o by %s", modes[i],
			        who_name(w));
			same(s, mode_of(p), left, "of mode %04o by %s: the mode", modes[i],
			        who_name(w));
			must(close(fd));
		}
	}
}

/* fallocate(2) knows more. What a file system lacks it says. */
static void kinds(struct suite *s)
{
	static const struct {
		const char *what;
		int mode;
		off_t size;
		char first, hole;
	} all[] = {{"keeping the size", FALLOC_FL_KEEP_SIZE, 16384, 'a', 'a'},
	        {"punching a hole", FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE, 16384, 'a', 0},
	        {"zeroing", FALLOC_FL_ZERO_RANGE, 16384, 'a', 0},
	        {"zeroing and keeping the size", FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE, 16384,
	                'a', 0},
	        {"collapsing", FALLOC_FL_COLLAPSE_RANGE, 12288, 'a', 'a'},
	        {"inserting", FALLOC_FL_INSERT_RANGE, 20480, 'a', 0}};

	for (size_t i = 0; i < COUNT(all); i++) {
		char *p = fresh(s), text[16384], c = '!';
		int fd = must(open(p, O_RDWR | O_CREAT | O_CLOEXEC, 0644));

		memset(text, 'a', sizeof text);
		must(write(fd, text, sizeof text));
		expect(s, 0, fallocate(fd, all[i].mode, 4096, 4096), "%s", all[i].what);
		same(s, size_of(p), all[i].size, "%s: the size", all[i].what);
		must(pread(fd, &c, 1, 0));
		same(s, c, all[i].first, "%s: the first byte", all[i].what);
		must(pread(fd, &c, 1, 5000));
		same(s, c, all[i].hole, "%s: the bytes of the range", all[i].what);
		must(pread(fd, &c, 1, 9000));
		same(s, c, 'a', "%s: the bytes behind it", all[i].what);
		expect(s,
		        all[i].mode & (FALLOC_FL_COLLAPSE_RANGE | FALLOC_FL_INSERT_RANGE) ? EINVAL
		                                                                          : 0,
		        fallocate(fd, all[i].mode, 100, 300), "%s: what is not aligned",
		        all[i].what);
		must(close(fd));
	}
	{
		int fd = must(open(fresh(s), O_RDWR | O_CREAT | O_CLOEXEC, 0644));

		expect(s, EOPNOTSUPP, fallocate(fd, FALLOC_FL_PUNCH_HOLE, 0, 4096),
		        "a hole that changes the size");
		expect(s, EOPNOTSUPP, fallocate(fd, 1 << 30, 0, 4096), "a kind that nobody knows");
		must(close(fd));
	}
}

static void times(struct suite *s)
{
	char *p = make_file(s, "hello", 0644, ROOT);
	int fd = must(open(p, O_RDWR | O_CLOEXEC));
	struct stat before = look(p), after;

	tick(s);
	must(allocate(fd, 0, 10000));
	after = look(p);
	holds(s, later(after.st_ctim, before.st_ctim), "a larger file: the ctime");
	holds(s, later(after.st_mtim, before.st_mtim), "a larger file: the mtime");
	must(unlink(p));
	expect(s, 0, allocate(fd, 0, 20000), "an unlinked file");
	must(fstat(fd, &after));
	same(s, after.st_size, 20000, "an unlinked file: its size");
	must(close(fd));
}

void cat_posix_fallocate(struct suite *s)
{
	ranges(s);
	errors(s);
	limits(s);
	set_ids(s);
	kinds(s);
	times(s);
}
