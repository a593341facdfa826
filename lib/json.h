/* SPDX-License-Identifier: MIT
 * Bounded loading of JSON from untrusted places (jansson underneath), with errors that name the
 * source and the field. */
#ifndef FCVM_JSON_H
#define FCVM_JSON_H

#include "err.h"

#include <jansson.h>
#include <stddef.h>

#define JSON_MAX_BYTES ((size_t)4 << 20)

/* Parse text of n bytes / the file; `what` names it in errors. A new reference, or NULL with e
 * filled (status FCVM_EX_DATA; FCVM_EX_SYS if the file cannot be read). Top-level objects only. */
json_t *json_parse(const char *text, size_t n, const char *what, struct err *e);
json_t *json_load_at(int dirfd, const char *path, struct err *e);

/* The named string member: 0, *out borrowed from obj; absent or null: *out = NULL; another type or
 * an embedded NUL: -1. */
int json_get_str(const json_t *obj, const char *key, const char **out, struct err *e);

/* Writes the document as write_file_at() or put_file_at() does; 0 or -errno. */
int json_save_at(int dirfd, const char *path, const json_t *doc, unsigned mode);
int json_put_at(int dirfd, const char *path, const json_t *doc, unsigned mode);

/* Prints the document and a newline to stdout. */
void json_print(const json_t *doc);

static inline void json_cleanup_(json_t **j)
{
	json_decref(*j);
}
#define auto_json __attribute__((cleanup(json_cleanup_)))

#endif
