/* SPDX-License-Identifier: MIT */
#include "clog_case.h"

#include <errno.h>
#include <sys/stat.h>

static void parser_refuses(void)
{
	static const char *const bad[] = {"\n", "hello\n",
	        "2026-11-24T05:31:38.123456789Z stdout X text\n",
	        "2026-11-24T05:31:38.123456789Z stdlog F text\n",
	        "2026-11-24T05:31:38.12345678Z stdout F text2\n",
	        "2026-13-24T05:31:38.123456789Z stdout F text\n",
	        "2026-00-24T05:31:38.123456789Z stdout F text\n",
	        "2026-11-24T24:31:38.123456789Z stdout F text\n",
	        "2262-11-24T05:31:38.123456789Z stdout F text\n",
	        "2026-11-24 05:31:38.123456789Z stdout F text\n",
	        "2026-11-24T05:31:38.123456789Z stdout Ftext\n",
	        "2026-11-24T05:31:38.123456789Z stdout F\n"};
	static const char good[] = "2026-11-24T05:31:38.123456789Z stderr P text\n";
	struct clog_record rec;
	struct clog_in in;
	size_t space;

	clog_in_init(&in);
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		memcpy(clog_in_space(&in, &space), bad[i], strlen(bad[i]));
		clog_in_filled(&in, strlen(bad[i]));
		ok(!clog_in_next(&in, &rec), "no record: %s", bad[i]);
	}
	for (size_t sent = 0; sent <= 2 * CLOG_IN_SIZE; sent += space) {
		memset(clog_in_space(&in, &space), 'x', CLOG_IN_SIZE - in.end);
		clog_in_filled(&in, space);
		if (space == 0 || clog_in_next(&in, &rec))
			ok(false, "an endless line is passed over");
	}
	memcpy(clog_in_space(&in, &space), good, sizeof good - 1);
	clog_in_filled(&in, sizeof good - 1);
	ok(!clog_in_next(&in, &rec), "as far as it goes");
	for (size_t i = 0; i < sizeof good - 1; i++) {
		*clog_in_space(&in, &space) = good[i];
		clog_in_filled(&in, 1);
		is_int(clog_in_next(&in, &rec), i == sizeof good - 2, "byte %zu", i);
	}
	is_int(rec.time, 1795498298123456789, "the time");
	ok(rec.is_stderr && rec.partial && rec.len == 4, "the stream, and that it is a part");
	clog_in_free(&in);
}

/* The numbers that are read must go on without a gap; the next one. */
static int read_on(struct clog_reader *r, int next, int *gaps)
{
	struct clog_record rec;

	while (clog_reader_next(r, &rec) == 1) {
		char digits[16] = "";

		memcpy(digits, rec.text, 15);
		*gaps += atoi(digits) != next;
		next = atoi(digits) + 1;
	}
	return next;
}

static void following(void)
{
	auto_tmpdir struct tmpdir d = tmpdir_make();
	struct clog *l = open_log(&d, SMALL);
	struct clog_reader *r = NULL;
	int next = 0, gaps = 0;

	is_int(clog_reader_open(d.fd, true, &r), 0, "a log is followed");
	is_int(read_on(r, 0, &gaps), 0, "from when it is empty");
	for (int i = 0; i < 2000; i += 50) {
		write_lines(l, i, 50);
		next = read_on(r, next, &gaps);
	}
	ok(next == 2000 && !gaps, "all lines of 69 segments, one after the other");
	for (int i = 2000; i < 2300; i += 20) {
		write_lines(l, i, 20);
		clog_reader_notice(r);
	}
	ok(size_of(&d, "20") < 0, "segments that were noticed are gone");
	ok(read_on(r, next, &gaps) == 2300 && !gaps, "and are read all the same");
	is_int(clog_reader_lost(r), 0, "nothing was lost");
	clog_reader_free(r);
	clog_close(l);
}

static void too_slow(bool noticing)
{
	auto_tmpdir struct tmpdir d = tmpdir_make();
	struct clog *l = open_log(&d, SMALL);
	struct clog_reader *r = NULL;
	int gaps = 0;

	write_lines(l, 0, 10);
	clog_reader_open(d.fd, true, &r);
	for (int i = 10; i < 3000; i += 10) {
		write_lines(l, i, 10);
		if (noticing)
			clog_reader_notice(r);
	}
	is_int(read_on(r, 0, &gaps), 3000, "what is left is read to the end");
	is_int(gaps, 1, "with one gap");
	/* 104 segments: the first one or sixteen, and the last 52. */
	is_int(clog_reader_lost(r), 104 - (noticing ? CLOG_OPEN_MAX : 1) - 52,
	        "whose segments are counted");
	clog_reader_free(r);
	ok(size_of(&d, "60") >= 0, "more is kept for who follows");
	write_lines(l, 3000, 100);
	ok(size_of(&d, "100") < 0, "until nobody does");
	clog_close(l);
}

static void two_passes(void)
{
	auto_tmpdir struct tmpdir d = tmpdir_make();
	struct clog *l = open_log(&d, SMALL);
	struct clog_reader *r = NULL;
	int gaps = 0;

	write_lines(l, 0, 100);
	clog_reader_open(d.fd, true, &r);
	clog_reader_first_pass(r);
	write_lines(l, 100, 100);
	/* 29 a segment, of which four are open; the last grew from 13 to 29 meanwhile. */
	is_int(read_on(r, 0, &gaps), 100, "the first pass sees what there was");
	clog_reader_rewind(r);
	is_int(read_on(r, 0, &gaps), 200, "the second all of it");
	is_int(gaps, 0, "without a gap");
	clog_reader_free(r);
	clog_reader_open(d.fd, false, &r);
	write_lines(l, 200, 5);
	is_int(read_on(r, 200, &gaps), 200, "without following, what came later is not read");
	clog_reader_free(r);
	clog_close(l);
}

int main(void)
{
	auto_tmpdir struct tmpdir none = tmpdir_make();
	struct clog_reader *r = NULL;

	parser_refuses();
	following();
	too_slow(false);
	too_slow(true);
	two_passes();
	is_int(clog_reader_open(none.fd, true, &r), -ENOENT, "where there is no log, that is said");
	return done();
}
