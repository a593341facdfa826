/* SPDX-License-Identifier: MIT
 * What a fuzz target of the volume's server shares, and a file beside it. */
#ifndef FCVM_FUZZSHARE_H
#define FCVM_FUZZSHARE_H

#include "xio.h"

#include <fcvm-vol/vs.h>

#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define BESIDE         "beside"
#define SHARE_TEMPLATE "/tmp/fcvm-fuzz.XXXXXX"

/* path: SHARE_TEMPLATE, and then where it is. A descriptor (O_PATH) of the share. */
static inline int share_make(char *path)
{
	char share[128];
	int dir, fd;

	if (!mkdtemp(path))
		abort();
	dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0 || mkdirat(dir, "share", 0755) < 0 ||
	        write_file_at(dir, BESIDE, BESIDE, strlen(BESIDE), 0600) < 0)
		abort();
	snprintf(share, sizeof share, "%s/share", path);
	fd = open(share, O_PATH | O_CLOEXEC);
	if (mkdirat(fd, "d", 0755) < 0 || symlinkat("../" BESIDE, fd, "l") < 0 ||
	        mknodat(fd, "p", S_IFIFO | 0644, 0) < 0)
		abort();
	close(dir);
	return fd;
}

/* And removes it. */
static inline void share_check(const char *path)
{
	char *text = NULL, name[128];
	size_t n;

	snprintf(name, sizeof name, "%s/" BESIDE, path);
	if (read_file_at(AT_FDCWD, name, 64, &text, &n) < 0 || strcmp(text, BESIDE) != 0)
		abort();
	free(text);
	remove_tree_at(AT_FDCWD, path);
}

/* A server of such a share whose answers nobody reads. It works where the real one does, among the
 * process's descriptors. */
struct share {
	char path[64];
	int cwd;
	struct vs s;
};

static inline void share_begin(struct share *sh, enum vs_cache cache, bool readonly)
{
	*sh = (struct share){.path = SHARE_TEMPLATE, .cwd = open(".", O_PATH | O_CLOEXEC)};
	sh->s = (struct vs){.root = share_make(sh->path),
	        .cache = cache,
	        .readonly = readonly,
	        .wire = -1,
	        .uid = geteuid(),
	        .gid = getegid()};
	if (chdir("/proc/self/fd") < 0)
		abort();
}

static inline void share_end(struct share *sh)
{
	close(sh->s.root);
	if (fchdir(sh->cwd) < 0)
		abort();
	close(sh->cwd);
	share_check(sh->path);
}

#endif
