/* SPDX-License-Identifier: MIT
 * A file that appears under its name when it is complete. Until then it has no name where the file
 * system can do that; elsewhere, or where another is replaced, it has a temporary one that the next
 * call for the same file removes once its maker is dead. */
#ifndef FCVM_SNAPSHOT_OUTFILE_H
#define FCVM_SNAPSHOT_OUTFILE_H

#include "err.h"

#include <stdbool.h>

struct outfile {
	int fd;     /* to write to */
	int dir;    /* where it will be */
	char *name; /* there */
	char temporary[300];
	bool replace;
};
#define OUTFILE_NONE                 \
	{                            \
		.fd = -1, .dir = -1, \
	}

/* 0, or -1 with e filled: FCVM_EX_BUSY the name is taken and replace is false. */
int outfile_open(struct outfile *f, const char *path, bool replace, struct err *e);
int outfile_keep(struct outfile *f, struct err *e);
void outfile_end(struct outfile *f); /* gives it up, unless it was kept */

#endif
