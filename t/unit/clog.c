/* SPDX-License-Identifier: MIT */
#include "clog_case.h"
#include "cleanup.h"
#include "strv.h"

#include <dirent.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>

/* All that the log has, without the times: "out F text|err P text|". */
static char *contents(const struct tmpdir *d)
{
	struct clog_reader *r = NULL;
	struct clog_record rec;
	char *text = xstrdup("");

	if (clog_reader_open(d->fd, false, &r) < 0)
		return text;
	while (clog_reader_next(r, &rec) == 1) {
		char *more = xasprintf("%s%s %c %.*s|", text, rec.is_stderr ? "err" : "out",
		        rec.partial ? 'P' : 'F', (int)rec.len, rec.text);

		free(text);
		text = more;
	}
	clog_reader_free(r);
	return text;
}

static void format(void)
{
	auto_tmpdir struct tmpdir d = tmpdir_make();
	struct clog *l = open_log(&d, 0);
	auto_free char *text = NULL, *seen = NULL;
	struct stat st;
	size_t n = 0;

	clog_write(l, false, "one\n\ntwo\nprompt> ", 17);
	clog_write(l, true, "e", 1);
	clog_write(l, false, "\n", 1);
	clog_write(l, true, "", 0);
	seen = contents(&d);
	is_str(seen, "out F one|out F |out F two|out P prompt> |err P e|out F |",
	        "writes are split at newlines, and the rest is a part");
	read_file_at(d.fd, "log/1", 4096, &text, &n);
	ok(strspn(text, "0123456789-:.TZ") == CLOG_STAMP_LEN && text[10] == 'T' &&
	                !strncmp(text + CLOG_STAMP_LEN, " stdout F one\n", 14),
	        "in the format of CRI: %.45s", text);
	ok(!strncmp(text, text + 44, CLOG_STAMP_LEN), "one write has one time");
	is_int(fstatat(d.fd, "log", &st, 0) | (st.st_mode & 0777), 0700, "the log is ours alone");
	is_int(fstatat(d.fd, "log/1", &st, 0) | (st.st_mode & 0777), 0600, "and so is a segment");
	clog_close(l);
	clog_close(NULL);
}

static void bytes_are_kept(void)
{
	static const char raw[] = "a\0b\r\xff\xfe\x1b[0m\n";
	auto_tmpdir struct tmpdir d = tmpdir_make();
	struct clog *l = open_log(&d, 0);
	struct clog_reader *r = NULL;
	struct clog_record rec = {.len = 0};

	clog_write(l, true, raw, sizeof raw - 1);
	clog_reader_open(d.fd, false, &r);
	is_int(clog_reader_next(r, &rec), 1, "a record");
	is_mem(rec.text, rec.len, raw, sizeof raw - 2, "has all its bytes");
	is_int(clog_reader_next(r, &rec), 0, "and is the only one");
	clog_reader_free(r);
	clog_close(l);
}

static void long_lines(void)
{
	auto_tmpdir struct tmpdir d = tmpdir_make();
	struct clog *l = open_log(&d, 0);
	struct clog_reader *r = NULL;
	struct clog_record rec;
	static char text[3 * CLOG_TEXT_MAX];
	size_t sum = 0, n = 0;
	bool parts = true;

	memset(text, 'x', sizeof text);
	text[sizeof text - 2] = '\n';
	clog_write(l, false, text, sizeof text - 1);
	memset(text, 'y', CLOG_TEXT_MAX);
	text[CLOG_TEXT_MAX] = '\n';
	clog_write(l, false, text, CLOG_TEXT_MAX + 1);
	clog_reader_open(d.fd, false, &r);
	while (clog_reader_next(r, &rec) == 1 && rec.text[0] == 'x') {
		sum += rec.len;
		parts &= rec.partial == (++n < 3) && rec.len <= CLOG_TEXT_MAX;
	}
	is_int(sum, sizeof text - 2, "a long line is complete");
	ok(parts && n == 3, "in three records, the last of which is full");
	ok(rec.len == CLOG_TEXT_MAX && !rec.partial, "the longest line of one record is one");
	clog_reader_free(r);
	clog_close(l);
}

static void rotation(void)
{
	auto_tmpdir struct tmpdir d = tmpdir_make();
	auto_free char *dir = xasprintf("%s/log", d.path), *seen = NULL;
	struct clog *l = open_log(&d, SMALL);
	struct tmpdir log = {.fd = -1};
	off_t total = 0;

	write_lines(l, 0, 1000);
	snprintf(log.path, sizeof log.path, "%s", dir);
	is_int(tmpdir_count(&log), CLOG_SEGMENTS, "as many segments as there may be");
	/* 29 records of 140 bytes fit into 4 KiB, and 1000 fill 34 segments and some. */
	ok(size_of(&d, "35") > 0 && size_of(&d, "32") == 29L * 140 && size_of(&d, "31") < 0,
	        "the last ones, whole");
	for (int i = 32; i <= 35; i++) {
		char name[16];

		snprintf(name, sizeof name, "%d", i);
		total += size_of(&d, name);
	}
	ok(total <= (off_t)SMALL, "%ld bytes are within the limit", (long)total);
	clog_close(l);
	l = open_log(&d, SMALL);
	clog_write(l, false, "again\n", 6);
	ok(size_of(&d, "36") > 0 && size_of(&d, "32") < 0 && size_of(&d, "33") > 0,
	        "a log that is there is gone on with in the next segment");
	clog_close(l);
	seen = contents(&d);
	ok(!strncmp(seen, "out F 928 ", 10) && strstr(seen, "|out F again|"),
	        "it is read from the oldest on: %.12s", seen);
}

static void odd_names(void)
{
	auto_tmpdir struct tmpdir d = tmpdir_make();
	struct clog *l;

	if (mkdirat(d.fd, "log", 0700) < 0 || symlinkat("/etc/passwd", d.fd, "log/8") < 0)
		abort();
	close(openat(d.fd, "log/0100", O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
	close(openat(d.fd, "log/x", O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
	close(openat(d.fd, "log/99999999999999999999", O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
	l = open_log(&d, SMALL);
	clog_write(l, false, "x\n", 2);
	ok(size_of(&d, "9") > 0, "only numbers count as segments");
	clog_close(l);
}

/* A limit of the size of files acts as a full disk does. */
static void full_disk(void)
{
	auto_tmpdir struct tmpdir d = tmpdir_make();
	struct rlimit old, tight = {0};
	struct clog *l = open_log(&d, 0);
	auto_free char *seen = NULL;

	signal(SIGXFSZ, SIG_IGN);
	getrlimit(RLIMIT_FSIZE, &old);
	tight = (struct rlimit){2 * (CLOG_PREFIX_LEN + 4) - 2, old.rlim_max};
	clog_write(l, false, "one\n", 4);
	setrlimit(RLIMIT_FSIZE, &tight);
	clog_write(l, false, "two\n", 4);
	clog_write(l, false, "three\n", 6);
	setrlimit(RLIMIT_FSIZE, &old);
	clog_write(l, false, "four\nfive\n", 10);
	seen = contents(&d);
	is_str(seen, "out F one|out F tw|out F four|out F five|",
	        "what fits is kept, and all is well when there is room again");
	clog_close(l);
}

static int64_t now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

/* Over the turn of a second. */
static void times(void)
{
	auto_tmpdir struct tmpdir d = tmpdir_make();
	struct clog *l = open_log(&d, 0);
	struct clog_reader *r = NULL;
	struct clog_record rec;
	int64_t first = now(), second;

	clog_write(l, false, "x\n", 2);
	do {
		second = now();
	} while (second / 1000000000 == first / 1000000000);
	clog_write(l, false, "y\n", 2);
	clog_reader_open(d.fd, true, &r);
	ok(clog_reader_next(r, &rec) == 1 && rec.time >= first && rec.time < second,
	        "the time is that of the write");
	ok(clog_reader_next(r, &rec) == 1 && rec.time >= second && rec.time <= now(),
	        "also of the next");
	clog_reader_free(r);
	clog_close(l);
}

/* A segment that ends within a line: its writer was killed. */
static void cut_segment(void)
{
	auto_tmpdir struct tmpdir d = tmpdir_make();
	struct clog *l = open_log(&d, SMALL);
	auto_free char *seen = NULL;
	auto_fd int fd = -1;

	clog_write(l, false, "one\n", 4);
	clog_close(l);
	fd = openat(d.fd, "log/1", O_WRONLY | O_APPEND | O_CLOEXEC);
	is_int(write_full(fd, "2026-11-24T05:31", 16), 0, "half a record");
	l = open_log(&d, SMALL);
	clog_write(l, false, "two\n", 4);
	clog_close(l);
	seen = contents(&d);
	is_str(seen, "out F one|out F two|", "does not spoil the next");
}

int main(void)
{
	format();
	bytes_are_kept();
	long_lines();
	rotation();
	odd_names();
	full_disk();
	times();
	cut_segment();
	return done();
}
