/* SPDX-License-Identifier: MIT
 * The caller's terminal, when the container has one. */
#ifndef FCVM_TTY_H
#define FCVM_TTY_H

#include <stdbool.h>
#include <stdint.h>
#include <termios.h>

struct tty {
	int fd; /* -1: not a terminal, or not changed */
	struct termios before, raw;
};

/* Raw mode on fd if it is a terminal; tty_restore() undoes it, and may be called at any time. */
void tty_raw(struct tty *t, int fd);
void tty_restore(struct tty *t);
/* Raw mode once more, after the process was stopped and continued. */
void tty_again(const struct tty *t);
/* Rows and columns of the first of stdin, stdout, stderr that is a terminal; 0x0 if none is. */
void tty_size(uint16_t *rows, uint16_t *cols);

#endif
