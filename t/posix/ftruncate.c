/* SPDX-License-Identifier: MIT */
#include "posix.h"

#include <sys/mman.h>
#include <sys/socket.h>

static int ftruncate_path(const char *p, off_t size)
{
	int fd = open(p, O_WRONLY | O_CLOEXEC), r;

	if (fd < 0)
		return -1;
	r = ftruncate(fd, size);
	open_close(fd);
	return r;
}

static void descriptors(struct suite *s)
{
	static const struct {
		const char *what;
		int flags, want;
	} ways[] = {{"to read", O_RDONLY, EINVAL}, {"to write", O_WRONLY, 0},
	        {"for both", O_RDWR, 0}, {"to append", O_WRONLY | O_APPEND, 0},
	        {"by O_PATH", O_PATH, EBADF}, {"to write at once", O_WRONLY | O_SYNC, 0},
	        {"to write data at once", O_RDWR | O_DSYNC, 0},
	        {"without blocking", O_RDWR | O_NONBLOCK, 0}};

	for (size_t i = 0; i < COUNT(ways); i++) {
		static const off_t sizes[] = {0, 3, 5, 100, 4096, 70000};

		for (size_t j = 0; j < COUNT(sizes); j++) {
			char *p = make_file(s, "hello", 0644, ROOT);
			int fd = must(open(p, ways[i].flags | O_CLOEXEC));
			struct stat st;

			expect(s, ways[i].want, ftruncate(fd, sizes[j]), "a file opened %s, to %jd",
			        ways[i].what, (intmax_t)sizes[j]);
			must(fstat(fd, &st));
			same(s, st.st_size, ways[i].want ? 5 : sizes[j],
			        "a file opened %s, to %jd: fstat", ways[i].what,
			        (intmax_t)sizes[j]);
			same(s, size_of(p), st.st_size, "a file opened %s, to %jd: stat",
			        ways[i].what, (intmax_t)sizes[j]);
			must(close(fd));
		}
	}
}

static void not_files(struct suite *s)
{
	char *dir = make(s, DIRECTORY), *fifo = make(s, FIFO);
	int fd = must(open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC)), ends[2];

	expect(s, EINVAL, ftruncate(fd, 0), "a directory");
	must(close(fd));
	fd = must(open(fifo, O_RDWR | O_CLOEXEC));
	expect(s, EINVAL, ftruncate(fd, 0), "a fifo");
	must(close(fd));
	expect(s, EBADF, ftruncate(fd, 0), "a closed descriptor");
	expect(s, EBADF, ftruncate(-1, 0), "descriptor -1");
	must(pipe(ends));
	expect(s, EINVAL, ftruncate(ends[1], 0), "a pipe");
	must(close(ends[0]));
	must(close(ends[1]));
	must(socketpair(AF_UNIX, SOCK_STREAM, 0, ends));
	expect(s, EINVAL, ftruncate(ends[1], 0), "a socket");
	must(close(ends[0]));
	must(close(ends[1]));
	fd = must(open(make(s, REG), O_RDWR | O_CLOEXEC));
	expect(s, EINVAL, ftruncate(fd, -1), "to -1");
	expect(s, EINVAL, ftruncate(fd, INT64_MIN), "to the smallest number");
	expect(s, EFBIG, ftruncate(fd, INT64_MAX), "to the largest number");
	must(close(fd));
}

/* What a descriptor may do was settled when it was opened. */
static void rights(struct suite *s)
{
	for (enum who w = ROOT; w < WHOS; w++) {
		char *p = make_file(s, "content", 0666, OWNER);
		int fd = must(AS(s, w, open(p, O_RDWR | O_CLOEXEC)));
		struct stat st;

		must(chmod(p, 0));
		expect(s, 0, AS(s, w, ftruncate(fd, 3)), "after the right went, by %s",
		        who_name(w));
		must(unlink(p));
		expect(s, 0, AS(s, w, ftruncate(fd, 1000)), "after the name went, by %s",
		        who_name(w));
		must(fstat(fd, &st));
		same(s, st.st_size, 1000, "after the name went, by %s: the size", who_name(w));
		must(close(fd));
	}
}

/* Offsets stay; a mapping sees zeroes where a file was cut and grew again. */
static void others(struct suite *s)
{
	char *p = make_file(s, "0123456789", 0644, ROOT), buf[16], *map;
	int one = must(open(p, O_RDWR | O_CLOEXEC)), two = must(open(p, O_RDWR | O_CLOEXEC));

	must(lseek(one, 0, SEEK_END));
	expect(s, 0, ftruncate(two, 4), "cutting under another descriptor");
	same(s, lseek(one, 0, SEEK_CUR), 10, "its offset stays");
	same(s, read(one, buf, 16), 0, "it reads the end");
	same(s, pread(one, buf, 16, 0), 4, "it reads what is left");
	same(s, write(one, "x", 1), 1, "it writes where it was");
	same(s, size_of(p), 11, "and the file has grown");
	must(pread(one, buf, 11, 0));
	holds(s, memcmp(buf, "0123\0\0\0\0\0\0x", 11) == 0, "with zeroes between");
	must(ftruncate(one, 8192));
	map = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, one, 0);
	must(map == MAP_FAILED ? -1 : 0);
	map[10] = 'm';
	map[5000] = 'm';
	must(ftruncate(two, 10));
	must(ftruncate(two, 8192));
	same(s, map[10], 0, "a mapping shows zeroes within a page");
	same(s, map[5000], 0, "a mapping shows zeroes in another page");
	same(s, map[0], '0', "a mapping shows what stayed");
	must(munmap(map, 8192));
	must(close(one));
	must(close(two));
}

static void times(struct suite *s)
{
	static const off_t sizes[] = {0, 5, 10};

	for (size_t i = 0; i < COUNT(sizes); i++) {
		char *p = make_file(s, "hello", 0644, ROOT);
		struct stat before = look(p), after;

		tick(s);
		must(ftruncate_path(p, sizes[i]));
		after = look(p);
		holds(s, later(after.st_mtim, before.st_mtim), "5 bytes to %jd: the mtime",
		        (intmax_t)sizes[i]);
		holds(s, later(after.st_ctim, before.st_ctim), "5 bytes to %jd: the ctime",
		        (intmax_t)sizes[i]);
		holds(s, equal_time(after.st_atim, before.st_atim), "5 bytes to %jd: the atime",
		        (intmax_t)sizes[i]);
	}
}

void cat_ftruncate(struct suite *s)
{
	size_matrix(s, "ftruncate", ftruncate_path);
	descriptors(s);
	not_files(s);
	rights(s);
	others(s);
	times(s);
	running_matrix(s, "opening to write", ftruncate_path);
}
