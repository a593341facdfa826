/* SPDX-License-Identifier: MIT
 * The log of a container: RUNDIR/log/, in the format of CRI, which podman calls k8s-file. A record
 * is a line:
 *
 *   2026-11-24T05:31:38.123456789Z stdout F text
 *
 * F: a whole line; P: a part of one, which the next record of that stream goes on with. The text is
 * whatever the container wrote except newlines. The log is in segments, files named by consecutive
 * numbers; the highest is being written, and the lowest are removed so that the whole stays below
 * its limit; while somebody follows the log (flock(2), shared, on the directory) up to CLOG_SIZE
 * more are kept for who comes late. */
#ifndef FCVM_CLOG_H
#define FCVM_CLOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define CLOG_DIR      "log"
#define CLOG_SIZE     ((uint64_t)16 << 20)
#define CLOG_SIZE_MIN ((uint64_t)16 << 10)
#define CLOG_SEGMENTS 4
#define CLOG_TEXT_MAX ((size_t)16 << 10) /* of one record */

/* "2026-11-24T05:31:38.123456789Z stdout F " */
#define CLOG_STAMP_LEN  30
#define CLOG_PREFIX_LEN (CLOG_STAMP_LEN + 10)
#define CLOG_LINE_MAX   (CLOG_PREFIX_LEN + CLOG_TEXT_MAX + 1)

/* --- writing -----------------------------------------------------------------------------------*/

struct clog; /* opaque; for one thread */

/* Makes dirfd's log/ (0700) and starts a segment after the last that is there. max_size: of the
 * whole log; 0 for CLOG_SIZE, and at least CLOG_SIZE_MIN. dirfd is not needed any more afterwards.
 * 0 or -errno. */
int clog_open(int dirfd, uint64_t max_size, struct clog **out);

/* What the container just wrote. What the disk does not take is lost; the next that it does take is
 * whole again. */
void clog_write(struct clog *log, bool is_stderr, const void *data, size_t n);

void clog_close(struct clog *log); /* NULL is fine */

/* The number of a segment by its name, or 0 if it is none. */
uint64_t clog_segment(const char *name);

#endif
