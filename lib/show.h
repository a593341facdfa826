/* SPDX-License-Identifier: MIT
 * What people see: text without control characters, times as "3 minutes", tables. */
#ifndef FCVM_SHOW_H
#define FCVM_SHOW_H

#include "strv.h"

#include <jansson.h>
#include <stdint.h>
#include <stdio.h>

/* The text with '?' for each control character. */
void show_clean(FILE *out, const char *text);

/* As json_dumpf(3), with escapes for the control characters that JSON allows. */
void show_json(FILE *out, const json_t *doc, size_t flags);

/* How long that is, as podman words it. */
void show_duration(FILE *out, int64_t ns);

/* A time of CLOCK_REALTIME in seconds as RFC 3339 has it, in UTC; "-" if it is none. */
#define SHOW_UTC 24 /* bytes */
void show_utc(char out[SHOW_UTC], int64_t seconds);

/* The cells of each row are separated by tabs; columns are as wide as they must be. */
void show_table(FILE *out, const struct strv *rows);

#endif
