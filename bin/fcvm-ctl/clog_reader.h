/* SPDX-License-Identifier: MIT
 * Reads the segments of a container's log (clog.h), as a whole or as it grows. */
#ifndef CTL_CLOG_READER_H
#define CTL_CLOG_READER_H

#include "clog_in.h"

#define CLOG_OPEN_MAX 16 /* segments that are kept open until they are read */

struct clog_reader; /* opaque */

/* Opens all segments below the run directory dirfd. Without follow, only what is there now is read.
 * 0 or -errno; -ENOENT: there is no log. */
int clog_reader_open(int dirfd, bool follow, struct clog_reader **out);
void clog_reader_free(struct clog_reader *r); /* NULL is fine */

/* The next record: 1; none for now: 0; or -errno. */
int clog_reader_next(struct clog_reader *r, struct clog_record *rec);

/* Back to the first record, once, after a first pass over what was there at the opening. A reader
 * that is to be rewound must be told so before it is read. */
void clog_reader_first_pass(struct clog_reader *r);
void clog_reader_rewind(struct clog_reader *r);

/* Readable when the log has grown; -1 without follow. clog_reader_notice() opens segments that are
 * new, so that they can still be read when the writer has removed them; clog_reader_next() does so
 * too. */
int clog_reader_fd(const struct clog_reader *r);
void clog_reader_notice(struct clog_reader *r);

/* How many segments were removed between others that were read. */
uint64_t clog_reader_lost(const struct clog_reader *r);

#endif
