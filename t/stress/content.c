/* SPDX-License-Identifier: MIT
 * Operations on the content of a file. */
#include "operations.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MOST = 16 << 10 };

static void random_bytes(struct worker *w, unsigned char *buf, size_t n)
{
	unsigned char base = (unsigned char)pick(w, 256);

	for (size_t i = 0; i < n; i++)
		buf[i] = (unsigned char)(base + i * 7);
}

/* A random file, open; -1 if there is none, -2 after a report. */
static int open_one(struct worker *w, int flags, const char *what, struct node **n)
{
	int i = pick_entry(w, FILE_NODE), fd;
	char path[PATH_MAX];

	if (i < 0)
		return -1;
	entry_path(w, w->run->dir, i, path);
	note(w, "open %s to %s", path, what);
	*n = w->entries[i].node;
	fd = open(path, flags | O_CLOEXEC);
	return did(w, fd) ? fd : -2;
}

static void grow(struct node *n, size_t size)
{
	if (size > n->size) {
		memset(n->data + n->size, 0, size - n->size);
		n->size = size;
	}
}

static bool finish(struct worker *w, int fd, bool good)
{
	if (pick(w, 16) == 0)
		good = did(w, pick(w, 2) ? fsync(fd) : fdatasync(fd)) && good;
	return did(w, close(fd)) && good;
}

static bool whole(struct worker *w, ssize_t got, size_t want)
{
	return did(w, got) &&
	       (got == (ssize_t)want || fail(w, "%zd bytes instead of %zu", got, want));
}

bool write_some(struct worker *w)
{
	unsigned char buf[MOST];
	struct node *n;
	int fd = open_one(w, pick(w, 2) ? O_RDWR : O_WRONLY, "write", &n);
	size_t size, at;

	if (fd < 0)
		return fd == -1;
	size = 1 + pick(w, MOST);
	at = pick(w, pick(w, 4) ? 32 << 10 : MAX_SIZE - MOST);
	random_bytes(w, buf, size);
	note(w, "write %zu bytes at %zu of a file of %zu", size, at, n->size);
	if (!whole(w, pwrite(fd, buf, size, (off_t)at), size))
		return false;
	grow(n, at + size);
	memcpy(n->data + at, buf, size);
	return finish(w, fd, true);
}

bool append_some(struct worker *w)
{
	unsigned char buf[4096];
	struct node *n;
	int fd = open_one(w, O_WRONLY | O_APPEND, "append", &n);

	if (fd < 0)
		return fd == -1;
	for (unsigned i = 0; i < 4 && n->size + sizeof buf <= MAX_SIZE; i++) {
		size_t size = 1 + pick(w, sizeof buf), at = n->size;

		random_bytes(w, buf, size);
		note(w, "append %zu bytes to %zu", size, at);
		if (!whole(w, write(fd, buf, size), size))
			return false;
		grow(n, at + size);
		memcpy(n->data + at, buf, size);
	}
	return finish(w, fd, true);
}

bool read_some(struct worker *w)
{
	unsigned char buf[MOST];
	struct node *n;
	int fd = open_one(w, O_RDONLY, "read", &n);
	size_t at, want;
	ssize_t got;
	bool good;

	if (fd < 0)
		return fd == -1;
	at = pick(w, (unsigned)n->size + 100);
	want = at >= n->size ? 0 : n->size - at < sizeof buf ? n->size - at : sizeof buf;
	note(w, "read at %zu of a file of %zu", at, n->size);
	got = pread(fd, buf, sizeof buf, (off_t)at);
	good = whole(w, got, want) &&
	       (memcmp(buf, n->data + at, want) == 0 || fail(w, "other bytes"));
	return finish(w, fd, good);
}

bool set_size(struct worker *w)
{
	struct node *n;
	int fd = open_one(w, O_WRONLY, "truncate", &n);
	size_t size;

	if (fd < 0)
		return fd == -1;
	size = pick(w, 4) ? pick(w, 64 << 10) : 0;
	note(w, "truncate %zu bytes to %zu", n->size, size);
	if (!did(w, ftruncate(fd, (off_t)size)))
		return false;
	grow(n, size);
	n->size = size;
	return finish(w, fd, true);
}

bool allocate(struct worker *w)
{
	static const int modes[] = {
	        0, FALLOC_FL_KEEP_SIZE, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE};
	int mode = modes[pick(w, 3)], fd;
	struct node *n;
	size_t at, size;

	fd = open_one(w, O_WRONLY, "allocate", &n);
	if (fd < 0)
		return fd == -1;
	at = pick(w, 64 << 10);
	size = 1 + pick(w, MOST);
	note(w, "fallocate mode %d, %zu bytes at %zu of a file of %zu", mode, size, at, n->size);
	if (!did(w, fallocate(fd, mode, (off_t)at, (off_t)size)))
		return false;
	if (mode == 0)
		grow(n, at + size);
	else if (mode & FALLOC_FL_PUNCH_HOLE && at < n->size)
		memset(n->data + at, 0, at + size < n->size ? size : n->size - at);
	return finish(w, fd, true);
}

bool write_mapped(struct worker *w)
{
	unsigned char buf[256], *map;
	struct node *n;
	int fd = open_one(w, O_RDWR, "map", &n);
	bool good = true;
	size_t size;

	if (fd < 0)
		return fd == -1;
	size = n->size;
	if (size < sizeof buf)
		return finish(w, fd, true);
	note(w, "map a file of %zu", size);
	map = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (!did(w, map == MAP_FAILED ? -1 : 0))
		return false;
	for (unsigned i = 0; good && i < 4; i++) {
		size_t at = pick(w, (unsigned)(size - sizeof buf + 1));

		if (memcmp(map + at, n->data + at, sizeof buf) != 0)
			good = fail(w, "other bytes in a mapping at %zu of %zu", at, size);
		random_bytes(w, buf, sizeof buf);
		memcpy(map + at, buf, sizeof buf);
		memcpy(n->data + at, buf, sizeof buf);
	}
	if (good && pick(w, 3) == 0)
		good = did(w, msync(map, size, MS_SYNC));
	good = did(w, munmap(map, size)) && good;
	return finish(w, fd, good);
}

/* A file that has no name while it is used */
bool unlinked_open(struct worker *w)
{
	int i = new_entry(w, pick_parent(w)), fd;
	unsigned char out[2000], in[2000];
	char path[PATH_MAX];
	struct stat st;

	if (i < 0)
		return true;
	entry_path(w, w->run->dir, i, path);
	note(w, "create and unlink %s, then use it", path);
	fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (!did(w, fd) || !did(w, unlink(path)))
		return false;
	random_bytes(w, out, sizeof out);
	if (!whole(w, pwrite(fd, out, sizeof out, 100), sizeof out) ||
	        !did(w, ftruncate(fd, 1100)) || !did(w, fstat(fd, &st)) ||
	        !whole(w, pread(fd, in, sizeof in, 100), 1000))
		return false;
	if (st.st_nlink != 0 || st.st_size != 1100 || memcmp(in, out, 1000) != 0)
		return fail(w, "%ju links, size %jd, or other bytes", (uintmax_t)st.st_nlink,
		        (intmax_t)st.st_size);
	return finish(w, fd, true);
}
