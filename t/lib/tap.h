/* SPDX-License-Identifier: MIT
 * The whole test framework of the C unit tests: assertions that print TAP and go on after a
 * failure. A test program calls them and ends with `return done();`, which prints the plan; a
 * program that dies before it has no plan, and t/run counts that as a failure.
 *
 *   ok(cond, "what %d", x)    is_int(got, want, "what")    is_str(got, want, "what")
 *   is_mem(got, got_len, want, want_len, "what")           diag("a note for a failure")
 *
 * Every one returns whether it held. Strings may be NULL, and NULL equals only NULL. */
#ifndef FCVM_TAP_H
#define FCVM_TAP_H

#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

struct tap {
	int run, failed;
};

static inline struct tap *tap_(void)
{
	static struct tap t;

	return &t;
}

static inline bool __attribute__((format(printf, 4, 5)))
tap_result_(bool good, const char *file, int line, const char *fmt, ...)
{
	struct tap *t = tap_();
	char what[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(what, sizeof what, fmt, ap);
	va_end(ap);
	for (char *c = what; *c; c++)
		if (*c == '\n' || *c == '#')
			*c = ' '; /* both mean something in TAP */
	t->run++;
	t->failed += !good;
	printf("%sok %d - %s\n", good ? "" : "not ", t->run, what);
	if (!good)
		printf("#   failed at %s:%d\n", file, line);
	fflush(stdout);
	return good;
}

static inline void __attribute__((format(printf, 1, 2))) diag(const char *fmt, ...)
{
	va_list ap;

	printf("#   ");
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	putchar('\n');
	fflush(stdout);
}

static inline bool tap_same_(const char *a, const char *b)
{
	return a && b ? strcmp(a, b) == 0 : a == b;
}

static inline bool tap_mem_same_(const void *a, size_t an, const void *b, size_t bn)
{
	return an == bn && (an == 0 || memcmp(a, b, an) == 0);
}

static inline void tap_show_(const char *label, const char *s)
{
	if (s)
		diag("%s \"%s\"", label, s);
	else
		diag("%s NULL", label);
}

#define ok(cond, ...) tap_result_(!!(cond), __FILE__, __LINE__, __VA_ARGS__)

#define is_int(got, want, ...)                                                                 \
	({                                                                                     \
		intmax_t tap_g_ = (intmax_t)(got), tap_w_ = (intmax_t)(want);                  \
		bool tap_ok_ = tap_result_(tap_g_ == tap_w_, __FILE__, __LINE__, __VA_ARGS__); \
		if (!tap_ok_)                                                                  \
			diag(" got %jd, want %jd", tap_g_, tap_w_);                            \
		tap_ok_;                                                                       \
	})

#define is_str(got, want, ...)                                                                   \
	({                                                                                       \
		const char *tap_g_ = (got), *tap_w_ = (want);                                    \
		bool tap_ok_ =                                                                   \
		        tap_result_(tap_same_(tap_g_, tap_w_), __FILE__, __LINE__, __VA_ARGS__); \
		if (!tap_ok_) {                                                                  \
			tap_show_(" got", tap_g_);                                               \
			tap_show_("want", tap_w_);                                               \
		}                                                                                \
		tap_ok_;                                                                         \
	})

#define is_mem(got, got_len, want, want_len, ...)                                           \
	({                                                                                  \
		size_t tap_gn_ = (got_len), tap_wn_ = (want_len);                           \
		bool tap_ok_ = tap_result_(tap_mem_same_((got), tap_gn_, (want), tap_wn_),  \
		        __FILE__, __LINE__, __VA_ARGS__);                                   \
		if (!tap_ok_)                                                               \
			diag(" got %zu bytes, want %zu, or they differ", tap_gn_, tap_wn_); \
		tap_ok_;                                                                    \
	})

static inline int done(void)
{
	printf("1..%d\n", tap_()->run);
	fflush(stdout);
	return tap_()->run == 0 || tap_()->failed > 0;
}

#endif
