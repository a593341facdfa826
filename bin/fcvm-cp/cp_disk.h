/* SPDX-License-Identifier: MIT
 * Entries of a hostile archive as files of the host, below one directory. */
#ifndef CTL_CP_DISK_H
#define CTL_CP_DISK_H

#include "err.h"

#include <archive.h>
#include <stdbool.h>

/* Makes the directory the working directory, which all names are relative to. */
int disk_open(struct archive *out, int dir_fd, struct err *e);

/* Removes what is in the way of a directory, or of something else, under that name: with overwrite
 * also where the types differ. A name that leads through a symbolic link is refused. */
int disk_clear(const char *name, bool dir, bool overwrite, struct err *e);

void disk_remove(const char *name);

#endif
