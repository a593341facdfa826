/* SPDX-License-Identifier: MIT
 * What a program says to its user: one line on stderr, "program: text". Only code in bin/ calls
 * these; the library returns a struct err instead. The program's name is the one it was started
 * under (program_invocation_short_name). */
#ifndef FCVM_MSG_H
#define FCVM_MSG_H

#include "err.h"

#include <stdbool.h>
#include <stdint.h>

void msg(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* Prints e and returns its status, for `return msg_err(&e)` at the end of main. */
int msg_err(const struct err *e);

/* Progress of work that may take more than a second: overwrites one line on a terminal, says
 * nothing where stderr is a pipe or a file. progress_end() clears the line. */
void progress(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void progress_end(void);
/* The same of bytes, at most ten times a second: "WHAT: 3 of 9 MiB"; total 0: not known. Whether it
 * was now. */
bool progress_bytes(const char *what, uint64_t done, uint64_t total);

#endif
