/* SPDX-License-Identifier: MIT
 * Shell assignments. Everything is in single quotes, inside which the shell knows no special
 * character but the quote itself; lists are quoted twice, once for each eval. The names get a
 * prefix that nobody exports: a shell would pass the new value on to all its programs. */
#ifndef FCVM_SHQUOTE_H
#define FCVM_SHQUOTE_H

#include "strv.h"

#include <stdio.h>

/* fcvm__NAME='VALUE' and a newline; NULL is "". */
void shquote_assign(FILE *f, const char *name, const char *value);
void shquote_assign_list(FILE *f, const char *name, const struct strv *words);

#endif
