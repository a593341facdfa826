/* SPDX-License-Identifier: MIT */
#include "clog_reader.h"
#include "cleanup.h"
#include "strv.h"
#include "xio.h"

#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/stat.h>

#define SCAN_MAX 64 /* more than a directory has at any time */

struct segment {
	int fd;
	off_t at, end; /* end: as it was when it was opened */
};

struct clog_reader {
	int dir, watch; /* watch: -1 without follow */
	struct segment seg[CLOG_OPEN_MAX];
	size_t n, now; /* now: the one being read */
	uint64_t last; /* the number of the last that was opened */
	uint64_t lost;
	bool first_pass, crowded; /* crowded: there were more segments than places */
	struct clog_in in;
};

static void add_number(uint64_t *numbers, size_t *n, uint64_t number)
{
	size_t at = *n;

	if (*n == SCAN_MAX)
		return;
	for (; at > 0 && numbers[at - 1] > number; at--)
		numbers[at] = numbers[at - 1];
	numbers[at] = number;
	++*n;
}

/* The numbers of the segments after the last that is known, in order. */
static size_t scan(const struct clog_reader *r, uint64_t numbers[SCAN_MAX])
{
	DIR *d = opendir_at(r->dir, ".");
	struct dirent *ent;
	size_t n = 0;

	if (!d)
		return 0;
	while ((ent = readdir(d))) {
		uint64_t number = clog_segment(ent->d_name);

		if (number > r->last)
			add_number(numbers, &n, number);
	}
	closedir(d);
	return n;
}

static void open_segment(struct clog_reader *r, uint64_t number)
{
	struct segment *s = &r->seg[r->n];
	struct stat st;
	char name[24];

	snprintf(name, sizeof name, "%" PRIu64, number);
	s->fd = openat(r->dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (s->fd < 0)
		return; /* removed meanwhile */
	s->at = 0;
	s->end = fstat(s->fd, &st) == 0 ? st.st_size : 0;
	if (r->last)
		r->lost += number - r->last - 1;
	r->last = number;
	r->n++;
}

static void open_new(struct clog_reader *r)
{
	uint64_t numbers[SCAN_MAX];
	size_t n = scan(r, numbers), i;

	for (i = 0; i < n && r->n < CLOG_OPEN_MAX; i++)
		open_segment(r, numbers[i]);
	r->crowded = i < n;
}

int clog_reader_open(int dirfd, bool follow, struct clog_reader **out)
{
	struct clog_reader *r = xcalloc(1, sizeof *r);
	int e = 0;

	clog_in_init(&r->in);
	r->watch = -1;
	r->dir = openat(dirfd, CLOG_DIR, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (r->dir < 0)
		e = -errno;
	if (!e && follow) {
		auto_free char *path = xasprintf("/proc/self/fd/%d", r->dir);

		r->watch = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
		flock(r->dir, LOCK_SH); /* the writer's own lasts no time: clog.h */
		if (r->watch < 0 || inotify_add_watch(r->watch, path, IN_CREATE | IN_MODIFY) < 0)
			e = -errno;
	}
	if (e) {
		clog_reader_free(r);
		return e;
	}
	open_new(r);
	*out = r;
	return 0;
}

void clog_reader_free(struct clog_reader *r)
{
	if (!r)
		return;
	for (size_t i = 0; i < r->n; i++)
		close(r->seg[i].fd);
	if (r->watch >= 0)
		close(r->watch);
	if (r->dir >= 0)
		close(r->dir);
	clog_in_free(&r->in);
	free(r);
}

int clog_reader_fd(const struct clog_reader *r)
{
	return r->watch;
}

uint64_t clog_reader_lost(const struct clog_reader *r)
{
	return r->lost;
}

void clog_reader_notice(struct clog_reader *r)
{
	char buf[4096] __attribute__((aligned(__alignof__(struct inotify_event))));
	bool created = false;
	ssize_t n;

	if (r->watch < 0)
		return;
	while ((n = read(r->watch, buf, sizeof buf)) > 0) {
		const struct inotify_event *ev;

		for (char *p = buf; p < buf + n; p += sizeof *ev + ev->len) {
			ev = (const struct inotify_event *)p;
			created |= (ev->mask & (IN_CREATE | IN_Q_OVERFLOW)) != 0;
		}
	}
	if (created)
		open_new(r);
}

void clog_reader_first_pass(struct clog_reader *r)
{
	r->first_pass = true;
}

void clog_reader_rewind(struct clog_reader *r)
{
	for (size_t i = 0; i < r->n; i++)
		r->seg[i].at = 0;
	r->now = 0;
	r->first_pass = false;
	clog_in_cut(&r->in);
}

static ssize_t fill(struct clog_reader *r, struct segment *s)
{
	size_t space;
	char *to = clog_in_space(&r->in, &space);
	ssize_t n;

	if ((r->first_pass || r->watch < 0) && (off_t)space > s->end - s->at)
		space = (size_t)(s->end - s->at);
	n = space ? pread(s->fd, to, space, s->at) : 0;
	if (n < 0)
		return errno == EINTR ? fill(r, s) : -errno;
	s->at += n;
	clog_in_filled(&r->in, (size_t)n);
	return n;
}

static void advance(struct clog_reader *r)
{
	clog_in_cut(&r->in);
	r->now++;
	if (r->first_pass)
		return;
	close(r->seg[0].fd);
	r->n--;
	r->now--;
	memmove(r->seg, r->seg + 1, r->n * sizeof *r->seg);
	if (r->crowded)
		open_new(r);
}

/* Events are taken in before reading: what is written after that raises new ones, and the end of a
 * segment is its end only when the next was there already. */
int clog_reader_next(struct clog_reader *r, struct clog_record *rec)
{
	while (!clog_in_next(&r->in, rec)) {
		bool newer;
		ssize_t n;

		if (!r->first_pass)
			clog_reader_notice(r);
		newer = r->now + 1 < r->n;
		n = r->now < r->n ? fill(r, &r->seg[r->now]) : 0;
		if (n < 0)
			return (int)n;
		if (n == 0 && !newer)
			return 0;
		if (n == 0)
			advance(r);
	}
	return 1;
}
