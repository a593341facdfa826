/* SPDX-License-Identifier: MIT */
#include "num.h"

#include <ctype.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static int digits(const char **s, uint64_t *out)
{
	uint64_t v = 0;
	const char *p = *s;

	if (!isdigit((unsigned char)*p))
		return -EINVAL;
	for (; isdigit((unsigned char)*p); p++) {
		if (__builtin_mul_overflow(v, 10, &v) ||
		        __builtin_add_overflow(v, (uint64_t)(*p - '0'), &v))
			return -ERANGE;
	}
	*s = p;
	*out = v;
	return 0;
}

static int in_range(uint64_t v, uint64_t min, uint64_t max, uint64_t *out)
{
	if (v < min || v > max)
		return -ERANGE;
	*out = v;
	return 0;
}

int num_u64(const char *s, uint64_t min, uint64_t max, uint64_t *out)
{
	uint64_t v;
	int r = digits(&s, &v);

	if (r < 0)
		return r;
	return *s ? -EINVAL : in_range(v, min, max, out);
}

/* The shift of a size suffix, or -EINVAL. */
static int size_shift(const char *s)
{
	static const char units[] = "bkmgt";
	const char *u;

	if (!*s)
		return 0;
	u = strchr(units, tolower((unsigned char)*s));
	if (!u)
		return -EINVAL;
	s++;
	if (u != units && (*s == 'i' || *s == 'I'))
		s++;
	if (u != units && (*s == 'b' || *s == 'B'))
		s++;
	return *s ? -EINVAL : (int)(u - units) * 10;
}

/* The whole bytes in 0.DIGITS of a unit. From the last digit on, nothing is lost by rounding down
 * at each, and nothing overflows. */
static uint64_t part_of(const char *first, const char *end, int shift)
{
	uint64_t v = 0;

	while (end > first)
		v = (((uint64_t)(*--end - '0') << shift) + v) / 10;
	return v;
}

int num_size(const char *s, uint64_t min, uint64_t max, uint64_t *out)
{
	const char *part = "", *end = part;
	uint64_t v = 0;
	int r = *s == '.' ? 0 : digits(&s, &v), shift;

	if (r < 0)
		return r;
	if (*s == '.') {
		part = ++s;
		end = s += strspn(s, "0123456789");
		if (end == part)
			return -EINVAL;
	}
	shift = size_shift(s);
	if (shift < 0)
		return shift;
	if (v > (UINT64_MAX >> shift))
		return -ERANGE;
	return in_range((v << shift) + part_of(part, end, shift), min, max, out);
}

int num_milli(const char *s, uint64_t min, uint64_t max, uint64_t *out)
{
	uint64_t whole = 0, frac = 0, unit = 100;
	int r = 0;

	if (*s != '.')
		r = digits(&s, &whole);
	if (r < 0)
		return r;
	if (*s == '.') {
		if (!isdigit((unsigned char)*++s))
			return -EINVAL;
		for (; isdigit((unsigned char)*s); s++, unit /= 10)
			frac += (uint64_t)(*s - '0') * unit;
	}
	if (*s)
		return -EINVAL;
	if (whole > UINT64_MAX / 1000 - 1)
		return -ERANGE;
	return in_range(whole * 1000 + frac, min, max, out);
}

/* Nanoseconds of a unit, and how long its name is; 0: none. */
static uint64_t unit_ns(const char *s, size_t *n)
{
	static const struct {
		const char *name;
		uint64_t ns;
	} units[] = {{"ms", 1000000}, {"us", 1000}, {"ns", 1}, {"s", 1000000000},
	        {"m", (uint64_t)60 * 1000000000}, {"h", (uint64_t)3600 * 1000000000}};

	for (size_t i = 0; i < sizeof units / sizeof *units; i++)
		if (!strncmp(s, units[i].name, strlen(units[i].name))) {
			*n = strlen(units[i].name);
			return units[i].ns;
		}
	return 0;
}

int num_duration(const char *s, uint64_t min, uint64_t max, uint64_t *out)
{
	double total = 0;

	if (!strcmp(s, "0"))
		return in_range(0, min, max, out);
	if (!*s)
		return -EINVAL;
	while (*s) {
		uint64_t whole = 0, ns;
		double part = 0, place = 1;
		size_t n = 0;

		if (*s != '.' && digits(&s, &whole) < 0)
			return -EINVAL;
		if (*s == '.' && !isdigit((unsigned char)*++s))
			return -EINVAL;
		for (; isdigit((unsigned char)*s); s++)
			part += (*s - '0') * (place /= 10);
		ns = unit_ns(s, &n);
		if (!ns)
			return -EINVAL;
		s += n;
		total += ((double)whole + part) * (double)ns;
	}
	if (total > 9e18)
		return -ERANGE;
	return in_range((uint64_t)(total / 1e6 + 0.5), min, max, out);
}

/* What glibc calls otherwise. */
static int other_name(const char *s)
{
	static const struct {
		const char *name;
		int number;
	} others[] = {{"CLD", SIGCHLD}, {"IO", SIGIO}, {"IOT", SIGIOT}, {"POLL", SIGPOLL}};

	for (size_t i = 0; i < sizeof others / sizeof *others; i++)
		if (!strcasecmp(others[i].name, s))
			return others[i].number;
	return -EINVAL;
}

int num_signal(const char *s)
{
	uint64_t v;

	if (isdigit((unsigned char)*s))
		return num_u64(s, 1, 64, &v) ? -EINVAL : (int)v;
	if (!strncasecmp(s, "SIG", 3))
		s += 3;
	if (!strncasecmp(s, "RTMIN", 5)) {
		if (!s[5])
			return 34; /* the kernel's SIGRTMIN + 2, as glibc and podman count it */
		return s[5] == '+' && !num_u64(s + 6, 0, 30, &v) ? 34 + (int)v : -EINVAL;
	}
	if (!strncasecmp(s, "RTMAX", 5)) {
		if (!s[5])
			return 64;
		return s[5] == '-' && !num_u64(s + 6, 0, 30, &v) ? 64 - (int)v : -EINVAL;
	}
	for (int i = 1; i < 32; i++)
		if (sigabbrev_np(i) && !strcasecmp(sigabbrev_np(i), s))
			return i;
	return other_name(s);
}
