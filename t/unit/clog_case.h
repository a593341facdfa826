/* SPDX-License-Identifier: MIT
 * What the tests of writing and of reading a container's log share. */
#ifndef CLOG_CASE_H
#define CLOG_CASE_H

#include "clog.h"
#include "cleanup.h"
#include "clog_reader.h"
#include "strv.h"
#include "tap.h"
#include "tmpdir.h"

#include <sys/stat.h>

#define SMALL CLOG_SIZE_MIN /* segments of 4 KiB */

static inline struct clog *open_log(const struct tmpdir *d, uint64_t size)
{
	struct clog *l = NULL;

	is_int(clog_open(d->fd, size, &l), 0, "the log is opened");
	return l;
}

/* Lines of 100 bytes with their numbers. */
static inline void write_lines(struct clog *l, int from, int n)
{
	for (int i = from; i < from + n; i++) {
		char line[101];

		snprintf(line, sizeof line, "%-99d\n", i);
		clog_write(l, false, line, 100);
	}
}

static inline off_t size_of(const struct tmpdir *d, const char *segment)
{
	auto_free char *path = xasprintf("log/%s", segment);
	struct stat st;

	return fstatat(d->fd, path, &st, 0) < 0 ? -1 : st.st_size;
}

#endif
