/* SPDX-License-Identifier: MIT
 * Paths in a container, as words: nothing is looked up. */
#ifndef FCVM_PATHS_H
#define FCVM_PATHS_H

#include <stddef.h>

/* "/a//b/./../c/" → "/a/c", as podman cleans destinations. The caller frees. */
char *path_clean(const char *path);

/* How many slashes it has: what is mounted in a clean path has more of them than the path. */
size_t path_depth(const char *path);

#endif
