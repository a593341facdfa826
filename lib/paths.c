/* SPDX-License-Identifier: MIT */
#include "paths.h"
#include "strv.h"

#include <string.h>

char *path_clean(const char *path)
{
	char *out = xcalloc(1, strlen(path) + 2);
	size_t n = 0;

	while (*path) {
		size_t len = strcspn(path, "/");

		if (len == 2 && !strncmp(path, "..", 2)) {
			while (n && out[--n] != '/')
				;
		} else if (len && !(len == 1 && *path == '.')) {
			out[n++] = '/';
			memcpy(out + n, path, len);
			n += len;
		}
		path += len + (path[len] == '/');
	}
	if (n == 0)
		out[n++] = '/';
	out[n] = 0;
	return out;
}

size_t path_depth(const char *path)
{
	size_t n = 0;

	for (; *path; path++)
		n += *path == '/';
	return n;
}
