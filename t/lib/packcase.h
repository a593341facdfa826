/* SPDX-License-Identifier: MIT
 * A small snapshot, and what tests of its archive do with that. */
#ifndef FCVM_PACKCASE_H
#define FCVM_PACKCASE_H

#include "json.h"
#include "page.h"
#include "status.h"
#include "tap.h"

#include <fcntl.h>
#include <fcvm-snapshot/pack.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define MEMORY  ((size_t)8 << 20)
#define SCRATCH ((size_t)1 << 20)
#define ROOM    ((uint64_t)64 << 20)

static inline void has_str(const char *text, const char *part, const char *what)
{
	if (!ok(strstr(text, part) != NULL, "%s", what))
		diag("it said \"%s\"", text);
}

static inline int file_of(const void *data, size_t n, size_t size)
{
	int fd = memfd_create("file", MFD_CLOEXEC);

	if (fd < 0 || ftruncate(fd, (off_t)size) < 0 || pwrite(fd, data, n, 0) != (ssize_t)n)
		abort();
	return fd;
}

static inline struct snapshot sample(void)
{
	static const char page[PAGE_BYTES + 10] = "a page and a bit";
	struct snapshot s = {.files = {.state = file_of("devices", 7, 7),
	                             .memory = file_of("memory", 6, MEMORY),
	                             .scratch = file_of("", 0, SCRATCH),
	                             .volumes = -1,
	                             .root = file_of("image", 5, 5)},
	        .meta = json_pack("{s:i, s:s, s:I, s:{s:I, s:I}}", "fcvmSnapshot", SNAPSHOT_FORMAT,
	                "vm", "source", "created", (json_int_t)1700000000, "machine", "memory",
	                (json_int_t)MEMORY, "scratchSize", (json_int_t)SCRATCH),
	        .plan = json_pack("{s:i, s:s, s:{}}", "fcvmPlan", 1, "name", "source", "process"),
	        .dir = -1};

	if (pwrite(s.files.memory, page, sizeof page, 3 << 20) < 0)
		abort();
	return s;
}

/* dir: where its volumes go; -1: it has none. */
static inline struct pack_in empty(int dir)
{
	return (struct pack_in){.files = {.state = memfd_create("s", 0),
	                                .memory = memfd_create("m", 0),
	                                .scratch = memfd_create("d", 0),
	                                .volumes = dir < 0 ? -1 : memfd_create("v", 0),
	                                .root = memfd_create("r", 0)},
	        .dir = dir,
	        .limit = ROOM};
}

/* Reads it, and says what was wrong; "" if nothing was. */
static inline const char *read_it(int fd, int dir, uint64_t limit)
{
	static struct err e;
	struct pack_in in = empty(dir);

	e.text[0] = 0;
	in.limit = limit;
	if (lseek(fd, 0, SEEK_SET) < 0)
		abort();
	if (pack_read(fd, &in, &e) < 0 && !e.text[0])
		abort();
	pack_in_free(&in);
	snapshot_files_close(&in.files);
	return e.text;
}

static inline int archive_of(struct snapshot *s)
{
	int fd = memfd_create("archive", MFD_CLOEXEC);
	struct err e;

	if (fd < 0 || pack_write(s, "warm", fd, NULL, &e) < 0)
		abort();
	return fd;
}

#define META                                                                           \
	"{\"fcvmSnapshot\":4,\"vm\":\"v\",\"created\":1,\"machine\":{\"memory\":4096," \
	"\"scratchSize\":4096}}"
#define PLAN "{\"fcvmPlan\":1,\"name\":\"v\",\"process\":{}}"

#endif
