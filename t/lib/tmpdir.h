/* SPDX-License-Identifier: MIT
 * A temporary directory of a C unit test, removed with all it holds when the variable leaves its
 * scope:  auto_tmpdir struct tmpdir d = tmpdir_make(); */
#ifndef FCVM_TMPDIR_H
#define FCVM_TMPDIR_H

#include "xio.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct tmpdir {
	char path[64];
	int fd;
};

static inline struct tmpdir tmpdir_make(void)
{
	struct tmpdir d = {.path = "/tmp/fcvm-unit.XXXXXX"};

	if (!mkdtemp(d.path))
		abort();
	d.fd = open(d.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (d.fd < 0)
		abort();
	return d;
}

static inline void tmpdir_remove(struct tmpdir *d)
{
	close(d->fd);
	remove_tree_at(AT_FDCWD, d->path);
}
#define auto_tmpdir __attribute__((cleanup(tmpdir_remove)))

/* The number of names in it. */
static inline int tmpdir_count(const struct tmpdir *d)
{
	DIR *dir = opendir(d->path);
	int n = -2; /* . and .. */

	if (!dir)
		abort();
	while (readdir(dir))
		n++;
	closedir(dir);
	return n;
}

#endif
