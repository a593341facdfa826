/* SPDX-License-Identifier: MIT */
#include "cleanup.h"
#include "failpoint.h"
#include "json.h"
#include "saved.h"
#include "strv.h"
#include "templates_own.h"
#include "xio.h"

#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

static bool is_key(const char *name)
{
	return strspn(name, "0123456789abcdef") == SHA256_HEX - 1 && !name[SHA256_HEX - 1];
}

void templates_sweep(const struct templates *t)
{
	auto_strv struct strv names = {0};
	DIR *d = opendir_at(t->dir, ".");
	struct dirent *ent;

	while (d && (ent = readdir(d)))
		if (saved_has_prefix(ent->d_name, TEMPLATE_OLD) ||
		        saved_has_prefix(ent->d_name, TEMPLATE_NEW))
			strv_add(&names, ent->d_name);
	if (d)
		closedir(d);
	for (size_t i = 0; i < names.n; i++)
		if (saved_has_prefix(names.v[i], TEMPLATE_OLD) ||
		        saved_is_abandoned(t->dir, names.v[i]))
			saved_drop(t->dir, names.v[i]);
}

static struct template_entry read_entry(const struct templates *t, const char *key)
{
	auto_fd int dir = openat(t->dir, key, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	struct template_entry entry = {.bytes = 0};
	struct stat st;

	snprintf(entry.key, sizeof entry.key, "%s", key);
	if (dir < 0)
		return entry;
	entry.bytes = saved_bytes(dir);
	if (fstat(dir, &st) == 0)
		entry.used = st.st_mtim.tv_sec;
	entry.doc = json_load_at(dir, TEMPLATE_META, NULL);
	return entry;
}

static int by_use(const void *a, const void *b)
{
	const struct template_entry *x = a, *y = b;

	if (x->used != y->used)
		return x->used < y->used ? -1 : 1;
	return strcmp(x->key, y->key);
}

int templates_list(
        const struct templates *t, struct template_entry **list, size_t *n, struct err *e)
{
	auto_strv struct strv names = {0};
	DIR *d = opendir_at(t->dir, ".");
	struct dirent *ent;

	*list = NULL;
	*n = 0;
	if (!d)
		return err_sys(e, "cannot list %s", t->path);
	while ((ent = readdir(d)))
		if (is_key(ent->d_name))
			strv_add(&names, ent->d_name);
	closedir(d);
	*list = xcalloc(names.n + 1, sizeof **list);
	for (size_t i = 0; i < names.n; i++)
		(*list)[(*n)++] = read_entry(t, names.v[i]);
	qsort(*list, *n, sizeof **list, by_use);
	return 0;
}

void templates_list_free(struct template_entry *list, size_t n)
{
	for (size_t i = 0; i < n; i++)
		json_decref(list[i].doc);
	free(list);
}

int templates_aside(const struct templates *t, const char *key, char old[TEMPLATE_NAME])
{
	int r;

	if (faccessat(t->dir, key, F_OK, AT_SYMLINK_NOFOLLOW) < 0)
		return 0;
	r = mkdtemp_at(t->dir, TEMPLATE_OLD, old, TEMPLATE_NAME, 0700);
	if (r == 0 && renameat(t->dir, key, t->dir, old) < 0)
		r = -errno;
	return r < 0 ? r : 1;
}

int templates_remove(const struct templates *t, const char *key, struct err *e)
{
	auto_fd int store = templates_lock(t, "", true, e);
	char old[TEMPLATE_NAME];
	int r;

	if (store < 0)
		return -1;
	r = templates_aside(t, key, old);
	if (r == 0)
		return 0;
	failpoint("template-removing");
	if (r == 1)
		r = saved_drop(t->dir, old);
	if (r == 0)
		return 1;
	errno = -r;
	return err_sys(e, "cannot remove the template %s/%s", t->path, key);
}

int templates_prune(const struct templates *t, uint64_t limit, const char *keep,
        void (*removed)(void *ctx, const struct template_entry *), void *ctx, struct err *e)
{
	struct template_entry *list;
	uint64_t total = 0;
	size_t n;
	int r = 0, store = templates_lock(t, "", true, e);

	if (store < 0)
		return -1;
	templates_sweep(t);
	close(store);
	if (templates_list(t, &list, &n, e) < 0)
		return -1;
	for (size_t i = 0; i < n; i++)
		total += list[i].bytes;
	for (size_t i = 0; i < n && r == 0; i++) {
		if (list[i].doc && (total <= limit || (keep && !strcmp(list[i].key, keep))))
			continue;
		r = templates_remove(t, list[i].key, e) < 0 ? -1 : 0;
		total -= list[i].bytes;
		if (r == 0 && removed)
			removed(ctx, &list[i]);
	}
	templates_list_free(list, n);
	return r;
}
