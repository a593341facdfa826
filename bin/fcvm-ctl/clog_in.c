/* SPDX-License-Identifier: MIT */
#include "clog_in.h"
#include "strv.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

void clog_in_init(struct clog_in *in)
{
	*in = (struct clog_in){.buf = xcalloc(1, CLOG_IN_SIZE)};
}

void clog_in_free(struct clog_in *in)
{
	free(in->buf);
	*in = (struct clog_in){0};
}

char *clog_in_space(struct clog_in *in, size_t *n)
{
	if (in->start) {
		memmove(in->buf, in->buf + in->start, in->end - in->start);
		in->end -= in->start;
		in->start = 0;
	}
	*n = CLOG_IN_SIZE - in->end;
	return in->buf + in->end;
}

void clog_in_filled(struct clog_in *in, size_t n)
{
	in->end += n;
}

void clog_in_cut(struct clog_in *in)
{
	in->start = in->end = 0;
	in->skipping = false;
}

/* The number of `width` digits, or -1. */
static int number(const char *p, int width)
{
	int v = 0;

	for (; width--; p++) {
		if (*p < '0' || *p > '9')
			return -1;
		v = v * 10 + (*p - '0');
	}
	return v;
}

static bool within(int v, int min, int max)
{
	return v >= min && v <= max;
}

/* Years that nanoseconds in 64 bits do not reach are refused. */
static bool parse_stamp(const char *p, int64_t *time)
{
	static const char form[CLOG_STAMP_LEN + 1] = "0000-00-00T00:00:00.000000000Z";
	struct tm tm = {
	        .tm_year = number(p, 4) - 1900,
	        .tm_mon = number(p + 5, 2) - 1,
	        .tm_mday = number(p + 8, 2),
	        .tm_hour = number(p + 11, 2),
	        .tm_min = number(p + 14, 2),
	        .tm_sec = number(p + 17, 2),
	};
	int ns = number(p + 20, 9);

	for (int i = 0; i < CLOG_STAMP_LEN; i++)
		if (form[i] != '0' && p[i] != form[i])
			return false;
	if (!within(tm.tm_year, 70, 361) || !within(tm.tm_mon, 0, 11) ||
	        !within(tm.tm_mday, 1, 31) || !within(tm.tm_hour, 0, 23) ||
	        !within(tm.tm_min, 0, 59) || !within(tm.tm_sec, 0, 60) || ns < 0)
		return false;
	*time = (int64_t)timegm(&tm) * 1000000000 + ns;
	return true;
}

static bool parse(const char *line, size_t len, struct clog_record *r)
{
	const char *p = line + CLOG_STAMP_LEN;

	if (!within((int)len, CLOG_PREFIX_LEN, CLOG_LINE_MAX - 1) || !parse_stamp(line, &r->time))
		return false;
	r->is_stderr = memcmp(p, " stderr ", 8) == 0;
	if (!r->is_stderr && memcmp(p, " stdout ", 8) != 0)
		return false;
	r->partial = p[8] == 'P';
	if ((!r->partial && p[8] != 'F') || p[9] != ' ')
		return false;
	r->stamp = line;
	r->text = line + CLOG_PREFIX_LEN;
	r->len = len - CLOG_PREFIX_LEN;
	return true;
}

bool clog_in_next(struct clog_in *in, struct clog_record *r)
{
	for (;;) {
		char *line = in->buf + in->start;
		size_t have = in->end - in->start;
		const char *newline = memchr(line, '\n', have);
		bool skip = in->skipping;

		if (!newline) {
			in->skipping = skip || have >= CLOG_LINE_MAX;
			if (in->skipping)
				in->start = in->end = 0;
			return false;
		}
		in->start += (size_t)(newline - line) + 1;
		in->skipping = false;
		if (!skip && parse(line, (size_t)(newline - line), r))
			return true;
	}
}
