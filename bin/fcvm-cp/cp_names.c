/* SPDX-License-Identifier: MIT */
#include "cp_names.h"
#include "cleanup.h"
#include "strv.h"

#include <limits.h>
#include <string.h>

char *names_below(const char *path)
{
	auto_free char *out = xstrdup("");
	size_t len = 0;

	if (strlen(path) >= PATH_MAX)
		return NULL;
	free(out);
	out = xcalloc(1, strlen(path) + 1);
	while (*path) {
		size_t n = strcspn(path, "/");

		if (n == 2 && path[0] == '.' && path[1] == '.')
			return NULL;
		if (n && !(n == 1 && *path == '.')) {
			if (len)
				out[len++] = '/';
			memcpy(out + len, path, n);
			len += n;
		}
		path += n + (path[n] == '/');
	}
	return steal_ptr(out);
}

char *names_under(const char *top, const char *below)
{
	if (!top)
		return xstrdup(below);
	return xasprintf("%s%s%s", top, *below ? "/" : "", below);
}

static bool is_in(const char *name, const char *dir)
{
	size_t n = strlen(dir);

	return name && !strncmp(name, dir, n) && name[n] == '/';
}

struct archive_entry *names_leave(struct names_open *o, const char *name)
{
	if (!o->n || is_in(name, archive_entry_pathname(o->v[o->n - 1])))
		return NULL;
	return o->v[--o->n];
}

void names_enter(struct names_open *o, struct archive_entry *dir, const char *name)
{
	struct archive_entry **bigger = reallocarray(o->v, o->n + 1, sizeof *bigger);
	struct archive_entry *copy = archive_entry_clone(dir);

	if (!bigger || !copy)
		abort();
	archive_entry_copy_pathname(copy, name); /* the writer adds a slash */
	o->v = bigger;
	o->v[o->n++] = copy;
}

void names_free(struct names_open *o)
{
	while (o->n)
		archive_entry_free(o->v[--o->n]);
	free(o->v);
	*o = (struct names_open){0};
}
