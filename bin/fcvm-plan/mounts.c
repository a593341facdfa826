/* SPDX-License-Identifier: MIT
 * --tmpfs and what --read-only adds: mounts of the OCI runtime specification, parents before what
 * is below them. Options come in podman's order with podman's defaults. */
#include "cleanup.h"
#include "json.h"
#include "num.h"
#include "paths.h"
#include "plan.h"
#include "status.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#define MOUNTS_MAX 256

struct tmpfs {
	json_t *options;
	const char *spec;
	bool access, suid, dev, exec, spread, copy, copy_up, size, mode; /* was given */
};

/* The kernel's syntax: 64m, 1g, 4096 or 50%. */
static bool tmpfs_size(const char *s)
{
	size_t n = strspn(s, "0123456789");

	return n > 0 && n < 19 && (!s[n] || (strchr("%kKmMgGtT", s[n]) && !s[n + 1]));
}

static bool octal_mode(const char *s)
{
	size_t n = strspn(s, "01234567");

	return n > 0 && n <= 5 && !s[n] && (n < 5 || *s == '0');
}

static int twice(const struct tmpfs *t, const char *word, struct err *e)
{
	return err_set(e, FCVM_EX_USAGE, "--tmpfs %s: '%s' repeats or contradicts another option",
	        t->spec, word);
}

static int option(const char *word, void *ctx, struct err *e)
{
	static const struct {
		const char *word;
		size_t seen;
	} known[] = {{"rw", offsetof(struct tmpfs, access)}, {"ro", offsetof(struct tmpfs, access)},
	        {"suid", offsetof(struct tmpfs, suid)}, {"nosuid", offsetof(struct tmpfs, suid)},
	        {"dev", offsetof(struct tmpfs, dev)}, {"nodev", offsetof(struct tmpfs, dev)},
	        {"exec", offsetof(struct tmpfs, exec)}, {"noexec", offsetof(struct tmpfs, exec)},
	        {"private", offsetof(struct tmpfs, spread)},
	        {"rprivate", offsetof(struct tmpfs, spread)},
	        {"shared", offsetof(struct tmpfs, spread)},
	        {"rshared", offsetof(struct tmpfs, spread)},
	        {"slave", offsetof(struct tmpfs, spread)},
	        {"rslave", offsetof(struct tmpfs, spread)},
	        {"unbindable", offsetof(struct tmpfs, spread)},
	        {"runbindable", offsetof(struct tmpfs, spread)},
	        {"tmpcopyup", offsetof(struct tmpfs, copy)},
	        {"notmpcopyup", offsetof(struct tmpfs, copy)}};
	struct tmpfs *t = ctx;
	bool *seen = NULL;

	for (size_t i = 0; i < sizeof known / sizeof *known; i++)
		if (!strcmp(word, known[i].word))
			seen = (bool *)((char *)t + known[i].seen);
	if (!strncmp(word, "size=", 5) && tmpfs_size(word + 5))
		seen = &t->size;
	if (!strncmp(word, "mode=", 5) && octal_mode(word + 5))
		seen = &t->mode;
	if (!seen)
		return err_set(e, FCVM_EX_USAGE,
		        "--tmpfs %s: '%s' is not a known option: rw ro exec noexec suid nosuid dev "
		        "nodev "
		        "size=64m mode=1777 tmpcopyup notmpcopyup",
		        t->spec, word);
	if (*seen)
		return twice(t, word, e);
	*seen = true;
	if (seen == &t->copy)
		t->copy_up = *word == 't';
	else if (seen != &t->spread) /* there is nobody in the machine to spread mounts to */
		json_array_append_new(t->options, json_string(word));
	return 0;
}

static void defaults(struct tmpfs *t)
{
	if (!t->access)
		json_array_append_new(t->options, json_string("rw"));
	json_array_append_new(t->options, json_string("rprivate"));
	if (!t->suid)
		json_array_append_new(t->options, json_string("nosuid"));
	if (!t->dev)
		json_array_append_new(t->options, json_string("nodev"));
	if (!t->copy || t->copy_up)
		json_array_append_new(t->options, json_string("tmpcopyup"));
}

/* Adds the mount to by_path, in place of an earlier one; options may be NULL. */
static int add_tmpfs(
        json_t *by_path, const char *path, const char *options, const char *spec, struct err *e)
{
	struct tmpfs t = {.options = json_array(), .spec = spec};
	json_t *m = json_pack("{s:s, s:s, s:s, s:o}", "destination", path, "type", "tmpfs",
	        "source", "tmpfs", "options", t.options);

	if (!m)
		return err_set(e, FCVM_EX_USAGE, "the mount point %s is not valid UTF-8", path);
	if (options && plan_each_part(options, option, &t, e) < 0) {
		json_decref(m);
		return -1;
	}
	defaults(&t);
	json_object_set_new(by_path, path, m);
	if (json_object_size(by_path) > MOUNTS_MAX)
		return err_set(e, FCVM_EX_DATA, "more than %d mounts", MOUNTS_MAX);
	return 0;
}

/* What the container has of its own, whatever is to be mounted there. */
static const char *const own[] = {"/", "/proc", "/sys", "/dev"};
#define N_OWN (sizeof own / sizeof *own)

static int user_tmpfs(json_t *by_path, const char *spec, struct err *e)
{
	auto_free char *copy = xstrdup(spec), *path = NULL;
	char *options = strchr(copy, ':');

	if (options)
		*options++ = 0;
	if (*copy != '/')
		return err_set(e, FCVM_EX_USAGE,
		        "--tmpfs %s: the directory must be an absolute path", spec);
	if (strlen(copy) >= PATH_MAX)
		return err_set(e, FCVM_EX_USAGE, "--tmpfs %.40s...: the path is too long", spec);
	path = path_clean(copy);
	for (size_t i = 0; i < N_OWN; i++)
		if (!strcmp(path, own[i]))
			return err_set(e, FCVM_EX_USAGE,
			        "--tmpfs %s: the container needs its own %s", spec, path);
	return add_tmpfs(by_path, path, options, spec, e);
}

/* Where SOURCE:DIR[:OPTIONS] goes, or NULL. The caller frees. */
static char *volume_target(const char *spec)
{
	auto_free char *copy = xstrdup(spec);
	char *dir = strchr(copy, ':');

	if (!dir)
		return *spec == '/' ? path_clean(spec) : NULL;
	if (dir[1] != '/')
		return NULL;
	dir++;
	dir[strcspn(dir, ":")] = 0;
	return path_clean(dir);
}

static bool is_volume(const struct plan_opts *o, const char *path)
{
	for (size_t i = 0; i < o->volume.n; i++) {
		auto_free char *target = volume_target(o->volume.v[i]);

		if (target && !strcmp(target, path))
			return true;
	}
	return false;
}

/* At or below one of the container's own directories other than the root. */
static bool in_own(const char *path)
{
	for (size_t i = 1; i < N_OWN; i++) {
		size_t n = strlen(own[i]);

		if (!strncmp(path, own[i], n) && (!path[n] || path[n] == '/'))
			return true;
	}
	return false;
}

static int image_volume(json_t *by_path, const char *name, const struct plan_opts *o, struct err *e)
{
	auto_free char *path = NULL;

	if (strlen(name) >= PATH_MAX)
		return err_set(e, FCVM_EX_DATA,
		        "image config: the path of the volume '%.40s...' is too long", name);
	path = path_clean(name);
	if (*name != '/' || !path[1])
		return err_set(
		        e, FCVM_EX_DATA, "image config: the volume '%s' is not a directory", name);
	if (in_own(path) || json_object_get(by_path, path) || is_volume(o, path))
		return 0;
	return add_tmpfs(by_path, path, NULL, "--image-volume", e);
}

static int image_volumes(
        json_t *by_path, const struct plan_opts *o, const struct plan_image *im, struct err *e)
{
	json_t *unused;
	const char *name;

	json_object_foreach((json_t *)im->volumes, name, unused)
	{
		if (image_volume(by_path, name, o, e) < 0)
			return -1;
	}
	return 0;
}

static bool wants(const struct plan_opts *o, const char *how)
{
	return o->image_volume && !strcmp(o->image_volume, how);
}

/* Podman keeps these writable with --read-only. */
static int read_only_tmpfs(json_t *by_path, const struct plan_opts *o, struct err *e)
{
	static const char *const writable[] = {"/tmp", "/var/tmp", "/run"};

	for (size_t i = 0; i < sizeof writable / sizeof *writable; i++)
		if (!json_object_get(by_path, writable[i]) && !is_volume(o, writable[i]) &&
		        add_tmpfs(by_path, writable[i], NULL, "--read-only", e) < 0)
			return -1;
	return 0;
}

struct placed {
	size_t depth, order;
	json_t *mount;
};

static int compare(const void *a, const void *b)
{
	const struct placed *x = a, *y = b;

	if (x->depth != y->depth)
		return x->depth < y->depth ? -1 : 1;
	return x->order < y->order ? -1 : 1;
}

/* Parents first, otherwise as they were given. */
static json_t *in_order(json_t *by_path)
{
	struct placed all[MOUNTS_MAX] = {0};
	json_t *list = json_array(), *m;
	const char *path;
	size_t n = 0;

	json_object_foreach(by_path, path, m)
	{
		all[n] = (struct placed){path_depth(path), n, m};
		n++;
	}
	qsort(all, n, sizeof *all, compare);
	for (size_t i = 0; i < n; i++)
		json_array_append(list, all[i].mount);
	return list;
}

static json_t *by_path(const struct plan_opts *o, const struct plan_image *im, struct err *e)
{
	auto_json json_t *all = json_object();

	for (size_t i = 0; i < o->tmpfs.n; i++)
		if (user_tmpfs(all, o->tmpfs.v[i], e) < 0)
			return NULL;
	for (size_t i = 0; i < o->volume.n; i++) {
		auto_free char *target = volume_target(o->volume.v[i]);

		if (target && json_object_get(all, target)) {
			err_set(e, FCVM_EX_USAGE, "both a volume and a tmpfs are to be at %s",
			        target);
			return NULL;
		}
	}
	if ((o->read_only && read_only_tmpfs(all, o, e) < 0) ||
	        (wants(o, "tmpfs") && image_volumes(all, o, im, e) < 0))
		return NULL;
	return steal_ptr(all);
}

json_t *plan_mounts(const struct plan_opts *o, const struct plan_image *im, struct err *e)
{
	auto_json json_t *all = by_path(o, im, e);

	return all ? in_order(all) : NULL;
}

/* Also those that would be read-only's own: a volume comes before /tmp's tmpfs. */
json_t *plan_volumes(const struct plan_opts *o, const struct plan_image *im, struct err *e)
{
	auto_json json_t *user = json_object(), *list = json_array(), *found = json_object();
	json_t *unused;
	const char *path;

	for (size_t i = 0; i < o->tmpfs.n; i++)
		if (user_tmpfs(user, o->tmpfs.v[i], e) < 0)
			return NULL;
	json_object_update(found, user);
	if (image_volumes(found, o, im, e) < 0)
		return NULL;
	if (!wants(o, "tmpfs") && !wants(o, "ignore"))
		json_object_foreach(found, path, unused)
		{
			if (!json_object_get(user, path))
				json_array_append_new(list, json_string(path));
		}
	return steal_ptr(list);
}
