/* SPDX-License-Identifier: MIT
 * The part of Go's templates that --format is used with: text, the escapes \t, \n and \\, and
 * {{.Field}} or {{json .Field}}. */
#ifndef FCVM_TMPL_H
#define FCVM_TMPL_H

#include "err.h"
#include "strv.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

/* Writes the value of the field, named without its leading full stop ("": all there is), as JSON
 * if asked. 0, or -1 with e filled. */
typedef int tmpl_field(FILE *out, const char *field, bool as_json, void *ctx, struct err *e);

int tmpl_expand(const char *tmpl, tmpl_field *field, void *ctx, FILE *out, struct err *e);

/* The same as one more of the lines. */
int tmpl_line(const char *tmpl, tmpl_field *field, void *ctx, struct strv *lines, struct err *e);

/* The error of a field that is none of these (NULL-terminated): names the closest. Returns -1. */
int tmpl_unknown(const char *field, const char *const *names, struct err *e);

/* The value of a path such as "plan.process.cwd" in a document. */
tmpl_field tmpl_json_path;

#endif
