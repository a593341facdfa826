/* SPDX-License-Identifier: MIT */
#include "cleanup.h"
#include "failpoint.h"
#include "json.h"
#include "name.h"
#include "saved.h"
#include "snapshots_own.h"
#include "strv.h"
#include "xio.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <string.h>

void snapshots_clean(const struct snapshots *s)
{
	auto_strv struct strv names = {0};
	DIR *d = opendir_at(s->dir, ".");
	struct dirent *ent;

	while (d && (ent = readdir(d)))
		if (ent->d_name[0] == '.')
			strv_add(&names, ent->d_name);
	if (d)
		closedir(d);
	for (size_t i = 0; i < names.n; i++) {
		const char *name = names.v[i];

		if (saved_has_prefix(name, SNAPSHOT_OLD) &&
		        renameat2(s->dir, name, s->dir, name + strlen(SNAPSHOT_OLD),
		                RENAME_NOREPLACE) == 0)
			continue;
		if (saved_has_prefix(name, SNAPSHOT_OLD) || saved_has_prefix(name, SNAPSHOT_GONE) ||
		        (saved_has_prefix(name, SNAPSHOT_NEW) && saved_is_abandoned(s->dir, name)))
			saved_drop(s->dir, name);
	}
}

int snapshots_sweep(const struct snapshots *s, struct err *e)
{
	auto_fd int store = snapshots_lock(s, e);

	if (store < 0)
		return -1;
	snapshots_clean(s);
	return 0;
}

static struct snapshot_entry read_entry(const struct snapshots *s, const char *tag)
{
	auto_fd int dir = openat(s->dir, tag, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	struct snapshot_entry entry = {.tag = xstrdup(tag)};

	if (dir < 0)
		return entry;
	entry.bytes = saved_bytes(dir); /* the image's file counts in its own store */
	entry.meta = json_load_at(dir, SNAPSHOT_META, NULL);
	entry.made = json_integer_value(json_object_get(entry.meta, "created"));
	return entry;
}

static int newest_first(const void *a, const void *b)
{
	const struct snapshot_entry *x = a, *y = b;

	if (x->made != y->made)
		return x->made > y->made ? -1 : 1;
	return strcmp(x->tag, y->tag);
}

int snapshots_list(
        const struct snapshots *s, struct snapshot_entry **list, size_t *n, struct err *e)
{
	auto_strv struct strv names = {0};
	DIR *d = opendir_at(s->dir, ".");
	struct dirent *ent;

	*list = NULL;
	*n = 0;
	if (!d)
		return err_sys(e, "cannot list %s", s->path);
	while ((ent = readdir(d)))
		if (name_valid(ent->d_name))
			strv_add(&names, ent->d_name);
	closedir(d);
	*list = xcalloc(names.n + 1, sizeof **list);
	for (size_t i = 0; i < names.n; i++)
		(*list)[(*n)++] = read_entry(s, names.v[i]);
	qsort(*list, *n, sizeof **list, newest_first);
	return 0;
}

void snapshots_list_free(struct snapshot_entry *list, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		free(list[i].tag);
		json_decref(list[i].meta);
	}
	free(list);
}

/* Under a name of its own first, so that it is whole or not there. */
int snapshots_remove(const struct snapshots *s, const char *tag, struct err *e)
{
	auto_fd int store = snapshots_lock(s, e);
	char gone[32];
	int r;

	if (store < 0)
		return -1;
	snapshots_clean(s);
	if (!snapshots_has(s, tag))
		return 0;
	if (snapshots_check_free(s, tag, e) < 0)
		return -1;
	r = mkdtemp_at(s->dir, SNAPSHOT_GONE, gone, sizeof gone, 0700);
	if (r == 0 && renameat(s->dir, tag, s->dir, gone) < 0)
		r = -errno;
	failpoint("snapshot-removing");
	if (r == 0)
		r = saved_drop(s->dir, gone);
	if (r == 0)
		return 1;
	errno = -r;
	return err_sys(e, "cannot remove the snapshot %s/%s", s->path, tag);
}
