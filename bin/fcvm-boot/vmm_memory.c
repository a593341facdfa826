/* SPDX-License-Identifier: MIT
 * The memory of a guest that is stopped, as a file. Pages that a private mapping has of its own are
 * told from those of its file by /proc/PID/pagemap (the kernel's Documentation/admin-guide/mm/
 * pagemap.rst), and read from the monitor's process, whose parent this one is. */
#include "cleanup.h"
#include "page.h"
#include "status.h"
#include "strv.h"
#include "vmm.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#define PAGE    PAGE_BYTES
#define CHUNK   ((size_t)1 << 20)
#define ENTRIES ((size_t)64 << 10) /* of the page map, at once */

#define PAGE_PRESENT ((uint64_t)1 << 63)
#define PAGE_SWAPPED ((uint64_t)1 << 62)
#define PAGE_OF_FILE ((uint64_t)1 << 61)

struct copy {
	const struct vmm *v;
	int to;
	bool fresh;     /* nothing is in the file yet */
	uint64_t start; /* address of the memory in the monitor's process */
	char *buf;      /* CHUNK bytes */
};

static int put_zeros(const struct copy *c, const char *zeros, size_t n, uint64_t at)
{
	if (c->fresh || fallocate(c->to, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)at,
	                        (off_t)n) == 0)
		return 0;
	return pwrite(c->to, zeros, n, (off_t)at) == (ssize_t)n ? 0 : -1;
}

/* n bytes of the buffer, whole pages, are what the memory has at `at`; what is not zero may be
 * there already. */
static int put(const struct copy *c, size_t n, uint64_t at, bool there)
{
	size_t from = 0, to;

	for (; from < n; from = to) {
		bool zero = page_is_zero(c->buf + from);

		to = from + PAGE;
		while (to < n && page_is_zero(c->buf + to) == zero)
			to += PAGE;
		if (zero ? put_zeros(c, c->buf + from, to - from, at + from) < 0
		         : !there && pwrite(c->to, c->buf + from, to - from, (off_t)(at + from)) !=
		                                (ssize_t)(to - from))
			return -1;
	}
	return 0;
}

static ssize_t get(const struct copy *c, size_t n, uint64_t at)
{
	struct iovec local = {c->buf, n}, remote = {(void *)(uintptr_t)(c->start + at), n};

	return c->v->memory_private ? process_vm_readv(c->v->proc.pid, &local, 1, &remote, 1, 0)
	                            : pread(c->v->memory, c->buf, n, (off_t)at);
}

static int copy_range(const struct copy *c, uint64_t from, uint64_t to)
{
	while (from < to) {
		size_t n = to - from < CHUNK ? (size_t)(to - from) : CHUNK;

		if (get(c, n, from) != (ssize_t)n || put(c, n, from, false) < 0)
			return -1;
		from += n;
	}
	return 0;
}

/* The one mapping of the monitor that is a private one of a file, and as long as the memory. */
static int find_memory(struct copy *c)
{
	auto_free char *path = xasprintf("/proc/%d/maps", (int)c->v->proc.pid);
	auto_file FILE *f = fopen(path, "re");
	uint64_t from, to, inode;
	char *line = NULL, mode[5];
	size_t size = 0, found = 0;

	while (f && getline(&line, &size, f) > 0)
		if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %4s %*x %*s %" SCNu64, &from, &to, mode,
		            &inode) == 4 &&
		        !strcmp(mode, "rw-p") && inode && to - from == c->v->memory_size) {
			c->start = from;
			found++;
		}
	free(line);
	if (found == 1)
		return 0;
	errno = ENXIO;
	return -1;
}

static bool is_own(uint64_t entry)
{
	return (entry & PAGE_SWAPPED) || ((entry & PAGE_PRESENT) && !(entry & PAGE_OF_FILE));
}

static int copy_own_pages(struct copy *c)
{
	auto_free char *path = xasprintf("/proc/%d/pagemap", (int)c->v->proc.pid);
	auto_free uint64_t *map = xcalloc(ENTRIES, sizeof *map);
	auto_fd int fd = open(path, O_RDONLY | O_CLOEXEC);
	uint64_t pages = c->v->memory_size / PAGE;

	if (fd < 0 || find_memory(c) < 0)
		return -1;
	for (uint64_t at = 0; at < pages; at += ENTRIES) {
		size_t n = pages - at < ENTRIES ? (size_t)(pages - at) : ENTRIES, from = 0, to;

		if (pread(fd, map, n * sizeof *map,
		            (off_t)((c->start / PAGE + at) * sizeof *map)) !=
		        (ssize_t)(n * sizeof *map))
			return -1;
		for (; from < n; from = to) {
			to = from + 1;
			while (to < n && is_own(map[to]) == is_own(map[from]))
				to++;
			if (is_own(map[from]) &&
			        copy_range(c, (at + from) * PAGE, (at + to) * PAGE) < 0)
				return -1;
		}
	}
	return 0;
}

/* What a shared file holds is the memory. */
static int copy_file(struct copy *c)
{
	off_t from = 0, to;

	c->fresh = true;
	if (ftruncate(c->to, (off_t)c->v->memory_size) < 0)
		return -1;
	while ((from = lseek(c->v->memory, from, SEEK_DATA)) >= 0) {
		to = lseek(c->v->memory, from, SEEK_HOLE);
		if (to < 0 || copy_range(c, (uint64_t)from, (uint64_t)to) < 0)
			return -1;
		from = to;
	}
	return errno == ENXIO ? 0 : -1;
}

int vmm_dig_holes(int fd, struct err *e)
{
	auto_free char *buf = xcalloc(1, CHUNK);
	struct copy c = {.to = fd, .buf = buf};
	uint64_t at = 0;
	ssize_t n;

	while ((n = pread(fd, buf, CHUNK, (off_t)at)) > 0 && (size_t)n % PAGE == 0) {
		if (put(&c, (size_t)n, at, true) < 0)
			return err_sys(e, "cannot free what the machine's memory does not use");
		at += (uint64_t)n;
	}
	return n == 0 ? 0 : err_sys(e, "cannot read the machine's memory");
}

static bool same_file(int a, int b)
{
	struct stat x, y;

	return fstat(a, &x) == 0 && fstat(b, &y) == 0 && x.st_dev == y.st_dev &&
	       x.st_ino == y.st_ino;
}

int vmm_copy_memory(const struct vmm *v, int to, struct err *e)
{
	auto_free char *buf = xcalloc(1, CHUNK);
	struct copy c = {.v = v, .to = to, .buf = buf};

	if (v->memory < 0)
		return err_set(e, FCVM_EX_FAIL, "%s cannot save a machine here", v->ops->name);
	if (!v->memory_private && same_file(v->memory, to))
		return 0;
	if ((v->memory_private ? copy_own_pages(&c) : copy_file(&c)) < 0)
		return err_sys(e, "cannot copy the machine's memory");
	return 0;
}
