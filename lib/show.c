/* SPDX-License-Identifier: MIT */
#include "show.h"
#include "cleanup.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <wchar.h>

#define COLUMNS_MAX 64
#define GAP         2

/* How many bytes at p are a control character: of ASCII, or one of U+0080 to U+009F in UTF-8, which
 * terminals obey as well. */
static size_t control(const char *p)
{
	unsigned char c = (unsigned char)p[0], next = c ? (unsigned char)p[1] : 0;

	if (c < 0x20 || c == 0x7f)
		return c ? 1 : 0;
	return c == 0xc2 && next >= 0x80 && next < 0xa0 ? 2 : 0;
}

void show_clean(FILE *out, const char *p)
{
	while (*p) {
		size_t n = control(p);

		fputc(n ? '?' : *p, out);
		p += n ? n : 1;
	}
}

void show_json(FILE *out, const json_t *doc, size_t flags)
{
	auto_free char *text = json_dumps(doc, flags | JSON_SORT_KEYS | JSON_ENCODE_ANY);
	const char *p = text ? text : "";

	while (*p) {
		size_t n = *p == '\n' ? 0 : control(p);

		if (n)
			fprintf(out, "\\u%04X", (unsigned char)p[n - 1]);
		else
			fputc(*p, out);
		p += n ? n : 1;
	}
}

void show_duration(FILE *out, int64_t ns)
{
	int64_t s = ns / 1000000000, m = s / 60, h = (s + 1800) / 3600, d = h / 24;

	if (s < 1)
		fputs("Less than a second", out);
	else if (s == 1)
		fputs("1 second", out);
	else if (s < 60)
		fprintf(out, "%" PRId64 " seconds", s);
	else if (m == 1)
		fputs("About a minute", out);
	else if (m < 60)
		fprintf(out, "%" PRId64 " minutes", m);
	else if (h == 1)
		fputs("About an hour", out);
	else if (h < 48)
		fprintf(out, "%" PRId64 " hours", h);
	else if (d < 14)
		fprintf(out, "%" PRId64 " days", d);
	else if (d < 60)
		fprintf(out, "%" PRId64 " weeks", d / 7);
	else if (d < 730)
		fprintf(out, "%" PRId64 " months", d / 30);
	else
		fprintf(out, "%" PRId64 " years", d / 365);
}

/* Of a cell of n bytes, in columns of a terminal. */
static size_t width(const char *cell, size_t n)
{
	mbstate_t state = {0};
	size_t sum = 0, at = 0;

	while (at < n) {
		wchar_t c;
		size_t r = mbrtowc(&c, cell + at, n - at, &state);
		int w = 1;

		if (r == 0 || r > n) {
			state = (mbstate_t){0};
			r = 1;
		} else {
			w = wcwidth(c);
		}
		sum += w > 0 ? (size_t)w : 0;
		at += r;
	}
	return sum;
}

void show_table(FILE *out, const struct strv *rows)
{
	size_t widest[COLUMNS_MAX] = {0};

	for (size_t i = 0; i < rows->n; i++) {
		const char *cell = rows->v[i];

		for (size_t c = 0; c < COLUMNS_MAX; c++) {
			size_t n = strcspn(cell, "\t"), w = width(cell, n);

			if (!cell[n])
				break;
			if (w > widest[c])
				widest[c] = w;
			cell += n + 1;
		}
	}
	for (size_t i = 0; i < rows->n; i++) {
		const char *cell = rows->v[i];

		for (size_t c = 0; c < COLUMNS_MAX; c++) {
			size_t n = strcspn(cell, "\t");

			fwrite(cell, 1, n, out);
			if (!cell[n])
				break;
			fprintf(out, "%*s", (int)(widest[c] + GAP - width(cell, n)), "");
			cell += n + 1;
		}
		fputc('\n', out);
	}
}

void show_utc(char out[SHOW_UTC], int64_t seconds)
{
	time_t t = (time_t)seconds;
	struct tm tm;

	if (!gmtime_r(&t, &tm) || !strftime(out, SHOW_UTC, "%Y-%m-%dT%H:%M:%SZ", &tm))
		snprintf(out, SHOW_UTC, "-");
}
