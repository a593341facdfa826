/* SPDX-License-Identifier: MIT */
#include "when.h"

#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <time.h>

#define NS 1000000000

/* Unsigned digits, with a part behind a full stop: *whole, and *part in nanounits. Where they end,
 * or NULL. */
static const char *decimal(const char *p, int64_t *whole, int64_t *part)
{
	int64_t unit = NS / 10;
	bool any = isdigit((unsigned char)*p);

	*whole = *part = 0;
	for (; isdigit((unsigned char)*p); p++)
		if (__builtin_mul_overflow(*whole, 10, whole) ||
		        __builtin_add_overflow(*whole, *p - '0', whole))
			return NULL;
	if (*p != '.')
		return any ? p : NULL;
	if (!isdigit((unsigned char)*++p))
		return NULL;
	for (; isdigit((unsigned char)*p); p++, unit /= 10)
		*part += (*p - '0') * unit;
	return p;
}

static int parse_seconds(const char *text, int64_t *out)
{
	int64_t s, part;
	const char *end = decimal(text, &s, &part);

	if (!end || *end || __builtin_mul_overflow(s, NS, &s) ||
	        __builtin_add_overflow(s, part, out))
		return -EINVAL;
	return 0;
}

/* The unit that p begins with, in nanoseconds, and its length. */
static int64_t unit_at(const char *p, size_t *len)
{
	static const struct {
		const char *name;
		int64_t ns;
	} units[] = {{"ns", 1}, {"us", 1000}, {"µs", 1000}, {"ms", 1000000}, {"s", NS},
	        {"m", 60LL * NS}, {"h", 3600LL * NS}, {"d", 86400LL * NS}};

	for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
		*len = strlen(units[i].name);
		if (!strncmp(p, units[i].name, *len))
			return units[i].ns;
	}
	return 0;
}

static int parse_duration(const char *p, int64_t now, int64_t *out)
{
	int64_t sum = 0;

	if (!*p)
		return -EINVAL;
	while (*p) {
		int64_t whole, part, unit;
		size_t len;

		p = decimal(p, &whole, &part);
		unit = p ? unit_at(p, &len) : 0;
		if (!unit || __builtin_mul_overflow(whole, unit, &whole) ||
		        __builtin_add_overflow(sum, whole, &sum) ||
		        __builtin_add_overflow(sum, (int64_t)((__int128)part * unit / NS), &sum))
			return -EINVAL;
		p += len;
	}
	return __builtin_sub_overflow(now, sum, out) ? -EINVAL : 0;
}

/* "Z", "+01:00" or nothing, in seconds. */
static int parse_zone(const char *p, bool *local, int *offset)
{
	*local = !*p;
	*offset = 0;
	if (!*p || !strcmp(p, "Z") || !strcmp(p, "z"))
		return 0;
	if ((*p != '+' && *p != '-') || strlen(p) != 6 || p[3] != ':' ||
	        strspn(p + 1, "0123456789") != 2 || strspn(p + 4, "0123456789") != 2)
		return -EINVAL;
	*offset = ((p[1] - '0') * 10 + p[2] - '0') * 3600 + ((p[4] - '0') * 10 + p[5] - '0') * 60;
	if (*p == '-')
		*offset = -*offset;
	return 0;
}

static int parse_date(const char *text, int64_t *out)
{
	static const char *const forms[] = {"%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M", "%Y-%m-%d"};
	const char *end = NULL;
	struct tm tm = {0};
	int64_t whole, part = 0, t;
	bool local;
	int offset;

	for (size_t i = 0; i < sizeof forms / sizeof *forms && !end; i++) {
		tm = (struct tm){.tm_isdst = -1};
		end = strptime(text, forms[i], &tm);
	}
	if (!end)
		return -EINVAL;
	if (*end == '.')
		end = decimal(end, &whole, &part);
	if (!end || parse_zone(end, &local, &offset) < 0)
		return -EINVAL;
	t = local ? mktime(&tm) : timegm(&tm);
	if (__builtin_sub_overflow(t, offset, &t) || __builtin_mul_overflow(t, NS, &t) ||
	        __builtin_add_overflow(t, part, out))
		return -EINVAL;
	return 0;
}

int when_parse(const char *text, int64_t now, int64_t *out)
{
	if (parse_seconds(text, out) == 0 || parse_duration(text, now, out) == 0)
		return 0;
	return parse_date(text, out);
}
