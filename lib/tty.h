/* SPDX-License-Identifier: MIT
 * The caller's terminal, when the container has one. */
#ifndef FCVM_TTY_H
#define FCVM_TTY_H

#include <stdbool.h>
#include <stdint.h>
#include <termios.h>

struct tty {
	int fd; /* -1: not a terminal, or not changed */
	struct termios before;
};

/* Raw mode on fd if it is a terminal, which must be ours; tty_restore() undoes it, and may be
 * called at any time. Again after the process was stopped and continued, it keeps what it first
 * found. */
void tty_raw(struct tty *t, int fd);
void tty_restore(struct tty *t);

/* Job control, termios(3). The caller keeps SIGTTIN and SIGTTOU blocked, so that a terminal call
 * from the background never stops it in the middle, where it could not see the signal that is to
 * end it.
 *
 * Whether the process is in the foreground of the terminal fd, or fd is not its terminal. */
bool tty_is_ours(int fd);
/* Stops the process group with sig (SIGTTIN, SIGTTOU), as the terminal driver would have done.
 * Returns when it is continued (SIGCONT is then pending), or false at once where nobody could
 * continue it. */
bool tty_stop(int sig);
/* Rows and columns of the first of stdin, stdout, stderr that is a terminal; 0x0 if none is. */
void tty_size(uint16_t *rows, uint16_t *cols);

#endif
