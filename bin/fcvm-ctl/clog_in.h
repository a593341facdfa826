/* SPDX-License-Identifier: MIT
 * Parses a container's log (clog.h): bytes in, records out. A line that is no record is passed
 * over. */
#ifndef CTL_CLOG_IN_H
#define CTL_CLOG_IN_H

#include "clog.h"

struct clog_record {
	int64_t time; /* nanoseconds since the epoch */
	bool is_stderr, partial;
	const char *stamp; /* CLOG_STAMP_LEN bytes, not NUL-terminated */
	const char *text;  /* not NUL-terminated; valid until the next call, as stamp is */
	size_t len;
};

#define CLOG_IN_SIZE (4 * CLOG_LINE_MAX)

struct clog_in {
	char *buf; /* CLOG_IN_SIZE, allocated by clog_in_init() */
	size_t start, end;
	bool skipping; /* in a line that is too long to be a record */
};

void clog_in_init(struct clog_in *in);
void clog_in_free(struct clog_in *in);
/* Where to put the next bytes: at least one byte of space after clog_in_next() returned false. */
char *clog_in_space(struct clog_in *in, size_t *n);
void clog_in_filled(struct clog_in *in, size_t n);
/* Whether there was another record; false: more bytes are needed. */
bool clog_in_next(struct clog_in *in, struct clog_record *r);
/* What follows is another file: an unfinished line is dropped. */
void clog_in_cut(struct clog_in *in);

#endif
