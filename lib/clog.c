/* SPDX-License-Identifier: MIT */
#include "clog.h"
#include "cleanup.h"
#include "num.h"
#include "strv.h"
#include "xio.h"

#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>

#define BATCH       ((size_t)96 << 10)
#define SEGMENT_MAX ((uint64_t)1 << 60)

#define FOLLOWED_SIZE     CLOG_SIZE
#define FOLLOWED_SEGMENTS 48 /* a reader looks at so many at once: clog_reader.c */

struct clog {
	int dir, fd; /* fd: the segment being written; -1: it could not be made */
	uint64_t first, segment, size, limit; /* first: the oldest that is there */
	size_t text_max;
	bool torn; /* the disk took only the beginning of a record */
	time_t second;
	char prefix[CLOG_PREFIX_LEN + 1];
	size_t used;
	char batch[BATCH];
};

uint64_t clog_segment(const char *name)
{
	uint64_t n;

	return name[0] != '0' && num_u64(name, 1, SEGMENT_MAX, &n) == 0 ? n : 0;
}

/* Whoever follows the log has a lock on its directory. */
static bool is_followed(const struct clog *l)
{
	if (flock(l->dir, LOCK_EX | LOCK_NB) < 0)
		return errno == EWOULDBLOCK;
	flock(l->dir, LOCK_UN);
	return false;
}

/* A reader may come too late for a segment, because it is written in no time; so who follows is
 * given more of them, within limits. */
static void remove_old(struct clog *l)
{
	uint64_t more = FOLLOWED_SIZE / l->limit, keep = CLOG_SEGMENTS;
	char name[24];

	if (l->segment - l->first < keep)
		return;
	if (is_followed(l))
		keep += more > FOLLOWED_SEGMENTS ? FOLLOWED_SEGMENTS : more;
	for (; l->segment - l->first >= keep; l->first++) {
		snprintf(name, sizeof name, "%" PRIu64, l->first);
		unlinkat(l->dir, name, 0);
	}
}

/* Starts the next segment. The oldest goes first: a full disk may need its room. */
static void next_segment(struct clog *l)
{
	char name[24];

	if (l->fd >= 0)
		close(l->fd);
	l->segment++;
	remove_old(l);
	snprintf(name, sizeof name, "%" PRIu64, l->segment);
	l->fd = openat(l->dir, name, O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, 0600);
	if (l->fd < 0 && errno != EEXIST)
		l->segment--;
	l->size = 0;
	l->torn = false;
}

static int find_range(struct clog *l)
{
	DIR *d = opendir_at(l->dir, ".");
	struct dirent *ent;

	if (!d)
		return -errno;
	while ((ent = readdir(d))) {
		uint64_t n = clog_segment(ent->d_name);

		if (n > l->segment)
			l->segment = n;
		if (n && (!l->first || n < l->first))
			l->first = n;
	}
	closedir(d);
	if (!l->first)
		l->first = l->segment + 1;
	return 0;
}

int clog_open(int dirfd, uint64_t max_size, struct clog **out)
{
	struct clog *l = xcalloc(1, sizeof *l);
	int r = 0;

	if (!max_size)
		max_size = CLOG_SIZE;
	if (max_size < CLOG_SIZE_MIN)
		max_size = CLOG_SIZE_MIN;
	l->fd = l->dir = -1;
	l->second = -1;
	l->limit = max_size / CLOG_SEGMENTS;
	l->text_max = CLOG_TEXT_MAX;
	if (l->text_max > l->limit - CLOG_PREFIX_LEN - 2)
		l->text_max = l->limit - CLOG_PREFIX_LEN - 2;
	if (mkdirat(dirfd, CLOG_DIR, 0700) < 0 && errno != EEXIST)
		r = -errno;
	if (!r) {
		l->dir = openat(dirfd, CLOG_DIR, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		r = l->dir < 0 ? -errno : find_range(l);
	}
	if (!r) {
		next_segment(l);
		if (l->fd < 0)
			r = -errno;
	}
	if (r < 0)
		clog_close(l);
	else
		*out = l;
	return r;
}

void clog_close(struct clog *l)
{
	if (!l)
		return;
	if (l->fd >= 0)
		close(l->fd);
	if (l->dir >= 0)
		close(l->dir);
	free(l);
}

static void flush(struct clog *l)
{
	size_t done = 0;

	while (done < l->used && l->fd >= 0) {
		ssize_t n = write(l->fd, l->batch + done, l->used - done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		done += (size_t)n;
	}
	if (done > 0)
		l->torn = l->batch[done - 1] != '\n';
	l->size += done;
	l->used = 0;
}

/* Room for a record of n bytes, in a segment and in the batch. */
static void make_room(struct clog *l, size_t n)
{
	if (l->size + l->used + l->torn + n > l->limit) {
		flush(l);
		next_segment(l);
	}
	if (l->used + l->torn + n > BATCH)
		flush(l);
	if (l->used == 0 && l->torn)
		l->batch[l->used++] = '\n';
}

static void put(struct clog *l, bool full, const char *text, size_t n)
{
	make_room(l, CLOG_PREFIX_LEN + n + 1);
	if (l->fd < 0)
		return;
	l->prefix[CLOG_PREFIX_LEN - 2] = full ? 'F' : 'P';
	memcpy(l->batch + l->used, l->prefix, CLOG_PREFIX_LEN);
	l->used += CLOG_PREFIX_LEN;
	memcpy(l->batch + l->used, text, n);
	l->used += n;
	l->batch[l->used++] = '\n';
}

static void digits(char *to, int width, long v)
{
	while (width--) {
		to[width] = (char)('0' + v % 10);
		v /= 10;
	}
}

static void stamp(struct clog *l, bool is_stderr)
{
	struct timespec now;
	struct tm tm;

	clock_gettime(CLOCK_REALTIME, &now);
	if (now.tv_sec != l->second) {
		gmtime_r(&now.tv_sec, &tm);
		strftime(l->prefix, sizeof l->prefix, "%Y-%m-%dT%H:%M:%S.", &tm);
		l->second = now.tv_sec;
	}
	digits(l->prefix + 20, 9, now.tv_nsec);
	memcpy(l->prefix + 29, is_stderr ? "Z stderr F " : "Z stdout F ", 11);
}

void clog_write(struct clog *l, bool is_stderr, const void *data, size_t n)
{
	const char *p = data, *end = p + n;

	if (l->fd < 0)
		next_segment(l);
	stamp(l, is_stderr);
	while (p < end && l->fd >= 0) {
		const char *newline = memchr(p, '\n', (size_t)(end - p));
		size_t len = (size_t)((newline ? newline : end) - p);

		for (; len > l->text_max; p += l->text_max, len -= l->text_max)
			put(l, false, p, l->text_max);
		put(l, newline != NULL, p, len);
		p += len + (newline != NULL);
	}
	flush(l);
}
