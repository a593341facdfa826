/* SPDX-License-Identifier: MIT
 * The parser of a container's log: any bytes, in pieces of any size, hold the same records, and
 * each of these makes its line again. */
#include "clog_in.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The line of the record is somewhere behind *at, which moves past it. */
static void check(const struct clog_record *r, const char *data, size_t size, size_t *at)
{
	static const char *const words[] = {" stdout F ", " stdout P ", " stderr F ", " stderr P "};
	const char *word = words[r->is_stderr * 2 + r->partial];
	const char *line = r->text - CLOG_PREFIX_LEN, *hit;
	size_t len = CLOG_PREFIX_LEN + r->len;

	if (r->stamp != line || r->len > CLOG_TEXT_MAX || memchr(line, '\n', len))
		abort();
	if (memcmp(line + CLOG_STAMP_LEN, word, strlen(word)) != 0)
		abort();
	do {
		hit = memmem(data + *at, size - *at, line, len);
		if (!hit)
			abort();
		*at = (size_t)(hit - data) + len + 1;
	} while (*at > size || data[*at - 1] != '\n');
}

static size_t parse(const char *data, size_t size, size_t piece)
{
	struct clog_record r;
	struct clog_in in;
	size_t fed = 0, at = 0, records = 0;

	clog_in_init(&in);
	while (fed < size) {
		size_t space, n = size - fed < piece ? size - fed : piece;
		char *p = clog_in_space(&in, &space);

		if (!space)
			abort();
		if (n > space)
			n = space;
		memcpy(p, data + fed, n);
		clog_in_filled(&in, n);
		fed += n;
		while (clog_in_next(&in, &r)) {
			check(&r, data, size, &at);
			records++;
		}
	}
	clog_in_free(&in);
	return records;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t piece = size ? (size_t)data[0] * 8 + 1 : 1;

	if (size && parse((const char *)data + 1, size - 1, piece) !=
	                    parse((const char *)data + 1, size - 1, size))
		abort();
	return 0;
}
