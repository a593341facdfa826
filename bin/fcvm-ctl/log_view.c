/* SPDX-License-Identifier: MIT */
#include "logs.h"
#include "xio.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

void log_view_init(struct log_view *v, const struct log_want *want)
{
	*v = (struct log_view){.want = *want, .fd = STDOUT_FILENO};
}

/* A line is counted when it begins: those of two streams may be mixed. */
static bool shown(struct log_view *v, const struct clog_record *rec, bool *begins)
{
	bool *inside = &v->stream[rec->is_stderr].inside;
	uint64_t *line = &v->stream[rec->is_stderr].line;

	if (rec->time < v->want.since || rec->time >= v->want.until)
		return false;
	*begins = !*inside;
	if (*begins)
		*line = ++v->lines;
	*inside = rec->partial;
	return *line > v->skip;
}

int log_view_tail(struct log_view *v, struct clog_reader *r)
{
	struct clog_record rec;
	bool begins;
	int more;

	if (v->want.tail == UINT64_MAX)
		return 0;
	clog_reader_first_pass(r);
	while ((more = clog_reader_next(r, &rec)) == 1)
		shown(v, &rec, &begins);
	if (more < 0)
		return more;
	clog_reader_rewind(r);
	v->skip = v->lines > v->want.tail ? v->lines - v->want.tail : 0;
	v->lines = 0;
	memset(v->stream, 0, sizeof v->stream);
	return 0;
}

/* No more than a pipe takes without blocking, and not before it does: new segments must be opened
 * meanwhile, or they may be gone. */
static ssize_t write_patiently(struct log_view *v, const char *p, size_t n)
{
	struct pollfd polled[2] = {{.fd = v->fd, .events = POLLOUT},
	        {.fd = clog_reader_fd(v->reader), .events = POLLIN}};

	while (!polled[0].revents) {
		if (poll(polled, 2, -1) < 0 && errno != EINTR)
			return -1;
		if (polled[1].revents)
			clog_reader_notice(v->reader);
	}
	return write(v->fd, p, n < PIPE_BUF ? n : PIPE_BUF);
}

int log_view_flush(struct log_view *v)
{
	size_t done = 0;
	int r = 0;

	if (!v->reader)
		r = write_full(v->fd, v->buf, v->used);
	while (v->reader && !r && done < v->used) {
		ssize_t n = write_patiently(v, v->buf + done, v->used - done);

		if (n >= 0)
			done += (size_t)n;
		else if (errno != EINTR && errno != EAGAIN)
			r = -errno;
	}
	v->used = 0;
	return r;
}

static void append(struct log_view *v, const char *p, size_t n)
{
	memcpy(v->buf + v->used, p, n);
	v->used += n;
}

int log_view_put(struct log_view *v, const struct clog_record *rec)
{
	int fd = rec->is_stderr ? STDERR_FILENO : STDOUT_FILENO, r = 0;
	bool begins;

	if (!shown(v, rec, &begins))
		return 0;
	if (fd != v->fd || v->used + CLOG_LINE_MAX > sizeof v->buf)
		r = log_view_flush(v);
	v->fd = fd;
	if (begins && v->want.stamps) {
		append(v, rec->stamp, CLOG_STAMP_LEN);
		append(v, " ", 1);
	}
	append(v, rec->text, rec->len);
	if (!rec->partial)
		append(v, "\n", 1);
	return r;
}

int log_view_drain(struct log_view *v, struct clog_reader *r)
{
	struct clog_record rec;
	int more, failed = 0;

	while (!failed && (more = clog_reader_next(r, &rec)) == 1)
		failed = log_view_put(v, &rec);
	if (!failed)
		failed = log_view_flush(v);
	return failed ? failed : more;
}
