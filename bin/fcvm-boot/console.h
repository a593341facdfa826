/* SPDX-License-Identifier: MIT
 * The guest's console: always drained, so that it never blocks the guest, and kept in a file of
 * bounded size whose end tells why a machine died. */
#ifndef FCVM_CONSOLE_H
#define FCVM_CONSOLE_H

#include "sink.h"

#include <stdbool.h>
#include <stddef.h>

#define CONSOLE_MAX ((size_t)256 << 10) /* the file's limit, bytes */

struct console {
	int file;
	struct sink *copy; /* everything goes there, too, as far as it is read; NULL: nowhere */
	size_t size;
};

/* dir: of the file console.log; -1: the text lives in memory only. 0 or -errno. */
int console_open(struct console *c, int dir);
/* Takes what the socket has. False when the other end has closed it. */
bool console_drain(struct console *c, int sock);
/* The kernel's panic line, cut to fit; false if there is none. */
bool console_panic(const struct console *c, char *out, size_t size);
/* The last few lines, each indented, for a message. */
void console_tail(const struct console *c, char *out, size_t size);
void console_close(struct console *c);

#endif
