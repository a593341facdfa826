/* SPDX-License-Identifier: MIT
 * A growing, NULL-terminated vector of strings: argument vectors and lists of option values.
 * Owns its strings. Zero-initialise with { 0 }; release with strv_free() or auto_strv. */
#ifndef FCVM_STRV_H
#define FCVM_STRV_H

#include <stddef.h>

struct strv {
	char **v; /* NULL-terminated once anything was added; NULL before */
	size_t n;
};

/* Adds a copy of s. Running out of memory ends the process (abort): no caller can mend it. */
void strv_add(struct strv *sv, const char *s);
void strv_addf(struct strv *sv, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Adds several; the list ends with NULL. */
void strv_addl(struct strv *sv, ...) __attribute__((sentinel));
void strv_free(struct strv *sv);

#define auto_strv __attribute__((cleanup(strv_free)))

/* As strdup(3) and asprintf(3), but never NULL: they abort when memory ends. */
char *xstrdup(const char *s);
char *xasprintf(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void *xcalloc(size_t n, size_t size);

#endif
