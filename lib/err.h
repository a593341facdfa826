/* SPDX-License-Identifier: MIT
 * Errors of library code. The library neither prints nor exits: a function that can fail for a
 * reason that errno alone does not tell takes a caller-owned struct err, fills it and returns -1.
 * main() prints it with msg_err() and exits with its status. */
#ifndef FCVM_ERR_H
#define FCVM_ERR_H

#include <stdarg.h>

struct err {
	int status;     /* an enum fcvm_exit */
	char text[768]; /* one line, no full stop, no program name */
};

/* Both return -1, so that `return err_set(e, …)` reads well. A NULL e is allowed. err_sys() adds
 * the text of errno as it was on entry and takes status FCVM_EX_SYS. Control characters in the
 * result become '?': the text may hold names that came from an image or a guest. */
int err_set(struct err *e, int status, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
int err_sys(struct err *e, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Puts "prefix: " ahead of the text already there and returns -1. */
int err_prefix(struct err *e, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
