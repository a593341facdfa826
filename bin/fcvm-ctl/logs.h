/* SPDX-License-Identifier: MIT
 * Prints a container's log: what it wrote on its stdout on ours, and stderr likewise. */
#ifndef CTL_LOGS_H
#define CTL_LOGS_H

#include "clog_reader.h"
#include "err.h"

#include <stdbool.h>

struct log_want {
	int64_t since, until; /* INT64_MIN, INT64_MAX: no limit */
	uint64_t tail;        /* UINT64_MAX: all lines */
	bool stamps;
};

/* --- one pass over the records ---------------------------------------------------------------- */

struct log_view {
	struct log_want want;
	uint64_t lines, skip; /* lines that began so far; how many of them are not shown */
	struct {
		bool inside; /* a line that began and did not end */
		uint64_t line;
	} stream[2];
	struct clog_reader *reader; /* that must notice new segments while output waits; or NULL */
	int fd;                     /* where the bytes below go to */
	size_t used;
	char buf[(size_t)2 * CLOG_LINE_MAX];
};

void log_view_init(struct log_view *v, const struct log_want *want);
/* Goes over what is there now, so that only the last lines that are wanted will be shown. */
int log_view_tail(struct log_view *v, struct clog_reader *r);
/* Prints a record, if it is one of those wanted. 0 or -errno. */
int log_view_put(struct log_view *v, const struct clog_record *rec);
int log_view_flush(struct log_view *v);

/* All records that there are for now: 0 or -errno. */
int log_view_drain(struct log_view *v, struct clog_reader *r);

/* --- until the VM ends ------------------------------------------------------------------------ */

/* Waits for a VM that is still starting. dirfd: its run directory. *lost: how many segments were
 * removed before they were read. 0, or -1 with e filled; a reader of ours that leaves is a good
 * end. LOG_GONE: it ended before it could be asked to keep the directory, and nothing was printed.
 */
#define LOG_GONE 1
int log_follow(int dirfd, const struct log_want *want, uint64_t *lost, struct err *e);

/* Whether the run directory of a VM that had a state is being removed: the state goes first, so
 * where it is still there after the log was opened, nothing of that was missing. */
bool log_is_going(int dirfd);

/* The error for a VM that keeps no log. Returns -1. */
int log_none(struct err *e);

#endif
