/* SPDX-License-Identifier: MIT */
#include "vol_spec.h"
#include "cleanup.h"
#include "name.h"
#include "paths.h"
#include "status.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

void vol_spec_free(struct vol_spec *v)
{
	free(v->source);
	free(v->target);
	free(v->name);
	free(v->words);
	strv_free(&v->options);
	*v = (struct vol_spec){0};
}

/* --- idmap=uids=0-1000-1#1-100000-65536;gids=… ----------------------------------------------- */

static int number(const char **p, char end, uint32_t *out)
{
	unsigned long long n = 0;
	const char *s = *p;

	while (*s >= '0' && *s <= '9' && n <= UINT32_MAX)
		n = n * 10 + (unsigned)(*s++ - '0');
	if (s == *p || n >= UINT32_MAX || (end && *s != end))
		return -1;
	*out = (uint32_t)n;
	*p = end ? s + 1 : s;
	return 0;
}

static bool overlaps(const struct idmap_range *all, size_t n, const struct idmap_range *r)
{
	for (size_t i = 0; i < n; i++)
		if ((r->inside < all[i].inside + (uint64_t)all[i].count &&
		            all[i].inside < r->inside + (uint64_t)r->count) ||
		        (r->outside < all[i].outside + (uint64_t)all[i].count &&
		                all[i].outside < r->outside + (uint64_t)r->count))
			return true;
	return false;
}

/* FROM-TO-COUNT: ids of the host's files first, as the container sees them second. */
static int ranges(const char *text, size_t len, struct idmap_range *out, size_t *n)
{
	auto_free char *copy = strndup(text, len);
	const char *p = copy;

	while (p && *p) {
		struct idmap_range r;

		if (*n == IDMAP_MAX || number(&p, '-', &r.outside) < 0 ||
		        number(&p, '-', &r.inside) < 0 || number(&p, 0, &r.count) < 0 || !r.count ||
		        r.inside + (uint64_t)r.count > UINT32_MAX ||
		        r.outside + (uint64_t)r.count > UINT32_MAX || overlaps(out, *n, &r))
			return -1;
		out[(*n)++] = r;
		if (*p && *p++ != '#')
			return -1;
	}
	return *n ? 0 : -1;
}

static int idmap(struct vol_spec *v, const char *text, struct err *e)
{
	struct idmap *m = &v->maps;
	int r = 0;

	for (const char *p = text; *p && r == 0;) {
		size_t n = strcspn(p, ";");

		if (!strncmp(p, "uids=", 5) && !m->n_uids)
			r = ranges(p + 5, n - 5, m->uids, &m->n_uids);
		else if (!strncmp(p, "gids=", 5) && !m->n_gids)
			r = ranges(p + 5, n - 5, m->gids, &m->n_gids);
		else
			r = -1;
		p += n + (p[n] == ';');
	}
	if (r < 0 || !m->n_uids || !m->n_gids)
		return err_set(e, FCVM_EX_USAGE,
		        "idmap=%s: it is uids=FROM-TO-COUNT[#...];gids=FROM-TO-COUNT[#...], first "
		        "the host's ids, then the container's",
		        text);
	v->explicit_maps = true;
	return 0;
}

/* --- options --------------------------------------------------------------------------------- */

static bool one_of(const char *word, const char *const *list)
{
	for (; *list; list++)
		if (!strcmp(word, *list))
			return true;
	return false;
}

static int cache(struct vol_spec *v, const char *word, struct err *e)
{
	static const char *const names[] = {
	        [VS_CACHE_AUTO] = "auto", [VS_CACHE_NONE] = "none", [VS_CACHE_ALWAYS] = "always"};

	for (int i = 0; i < 3; i++)
		if (!strcmp(word, names[i])) {
			v->cache = (enum vs_cache)i;
			return 0;
		}
	return err_set(e, FCVM_EX_USAGE, "cache=%s: it is auto, none or always", word);
}

static int option(struct vol_spec *v, const char *word, struct err *e)
{
	static const char *const for_guest[] = {"noexec", "nosuid", "nodev", NULL};
	/* The guest has no SELinux, and nobody to spread mounts to; the rest is the default. */
	static const char *const nothing[] = {"z", "Z", "bind", "rbind", "private", "rprivate",
	        "shared", "rshared", "slave", "rslave", "unbindable", "runbindable", "exec", "suid",
	        "dev", "copy", "idmap", NULL};

	if (!strcmp(word, "ro") || !strcmp(word, "rw")) {
		v->readonly = word[1] == 'o';
		return 0;
	}
	if (!strcmp(word, "nocopy")) {
		v->copy_up = false;
		return 0;
	}
	if (one_of(word, for_guest)) {
		strv_add(&v->options, word);
		return 0;
	}
	if (!strncmp(word, "cache=", 6))
		return cache(v, word + 6, e);
	if (!strncmp(word, "idmap=", 6))
		return idmap(v, word + 6, e);
	if (one_of(word, nothing))
		return 0;
	if (!strcmp(word, "U"))
		return err_set(e, FCVM_EX_USAGE,
		        "the option U, which would change the owner of every file on the host, is "
		        "not "
		        "done: use idmap=, or chown");
	if (!strcmp(word, "O"))
		return err_set(e, FCVM_EX_USAGE,
		        "the option O, an overlay, is not done: use ro, or a copy");
	return err_set(e, FCVM_EX_USAGE,
	        "'%s' is not a known option: ro rw noexec nosuid nodev nocopy "
	        "cache=auto|none|always "
	        "idmap=",
	        word);
}

int vol_spec_options(struct vol_spec *v, const char *text, struct err *e)
{
	auto_free char *copy = xstrdup(text);
	char *rest = copy, *word;

	while ((word = strsep(&rest, ",")))
		if (*word && option(v, word, e) < 0)
			return -1;
	return 0;
}

/* --- SOURCE and DIR -------------------------------------------------------------------------- */

static bool has_dotdot(const char *path)
{
	for (const char *p = path; (p = strstr(p, "..")); p += 2)
		if ((p == path || p[-1] == '/') && (!p[2] || p[2] == '/'))
			return true;
	return false;
}

static int target(struct vol_spec *v, const char *dir, struct err *e)
{
	static const char *const own[] = {"/proc", "/sys", "/dev"};

	if (*dir != '/')
		return err_set(
		        e, FCVM_EX_USAGE, "'%s' is not an absolute path in the container", dir);
	if (strlen(dir) >= PATH_MAX)
		return err_set(e, FCVM_EX_USAGE, "the path %.40s... is too long", dir);
	if (has_dotdot(dir))
		return err_set(e, FCVM_EX_USAGE, "'%s' has '..' in it", dir);
	v->target = path_clean(dir);
	if (!v->target[1])
		return err_set(e, FCVM_EX_USAGE, "a volume cannot be the container's root");
	for (size_t i = 0; i < 3; i++) {
		size_t n = strlen(own[i]);

		if (!strncmp(v->target, own[i], n) && (!v->target[n] || v->target[n] == '/'))
			return err_set(e, FCVM_EX_USAGE, "%s is the container's own %s", v->target,
			        own[i]);
	}
	return 0;
}

static int source(struct vol_spec *v, const char *text, struct err *e)
{
	if (*text == '/' || *text == '.') {
		v->source = xstrdup(text);
		return 0;
	}
	if (*text && !name_valid(text))
		return err_set(e, FCVM_EX_USAGE,
		        "'%s' is neither a path nor the name of a volume (a path begins with / or "
		        ".; " NAME_RULE ")",
		        text);
	v->name = xstrdup(text);
	v->anonymous = !*text;
	v->copy_up = true;
	return 0;
}

int vol_spec_parse(struct vol_spec *v, const char *text, struct err *e)
{
	auto_free char *copy = xstrdup(text);
	char *rest = copy, *part[3] = {0};
	int n = 0, r = 0;

	*v = (struct vol_spec){0};
	while (rest && n < 3)
		part[n++] = strsep(&rest, ":");
	if (rest || (n == 1 ? !*part[0] : !*part[1]))
		return err_set(e, FCVM_EX_USAGE, "--volume %s: it is [SOURCE:]DIR[:OPTIONS]", text);
	r = n == 1 ? source(v, "", e) : source(v, part[0], e);
	if (r == 0)
		r = target(v, part[n > 1], e);
	if (r == 0 && n == 3)
		r = vol_spec_options(v, part[2], e);
	if (r == 0 && n == 3)
		v->words = xstrdup(part[2]);
	return r < 0 ? err_prefix(e, "--volume %s", text) : 0;
}

int vol_spec_make(struct vol_spec *v, const char *from, const char *name, const char *at,
        const char *words, struct err *e)
{
	int r = 0;

	*v = (struct vol_spec){.words = xstrdup(words)};
	if (name)
		r = source(v, name, e);
	else if (*from == '/')
		v->source = xstrdup(from);
	else
		r = err_set(e, FCVM_EX_DATA, "'%s' is no absolute path", from);
	if (r == 0)
		r = target(v, at, e);
	return r < 0 ? -1 : vol_spec_options(v, words, e);
}

/* --- checks ---------------------------------------------------------------------------------- */

/* Of another user of the container, for whom the server may act. */
static bool of_mapped_id(const struct vol_spec *v, const struct stat *st)
{
	struct idmap own;

	if (v->explicit_maps)
		return idmap_has(&v->maps, st->st_uid, st->st_gid);
	idmap_own(&own);
	return geteuid() != 0 && idmap_has(&own, st->st_uid, st->st_gid);
}

int vol_spec_check(struct vol_spec *v, struct err *e)
{
	char *real = realpath(v->source, NULL);
	struct stat st;
	int want;

	if (!real)
		return err_sys(e, "the volume's source %s", v->source);
	free(v->source);
	v->source = real;
	if (stat(real, &st) < 0)
		return err_sys(e, "the volume's source %s", real);
	if (!S_ISDIR(st.st_mode) && !S_ISREG(st.st_mode))
		return err_set(e, FCVM_EX_DATA,
		        "the volume's source %s is neither a directory nor a regular file", real);
	v->file = S_ISREG(st.st_mode);
	want = v->file ? R_OK : R_OK | X_OK;
	if (faccessat(AT_FDCWD, real, want, AT_EACCESS) < 0 && !of_mapped_id(v, &st))
		return err_sys(e, "the volume's source %s cannot be read", real);
	v->dev = st.st_dev;
	v->ino = st.st_ino;
	return 0;
}

json_t *vol_spec_json(const struct vol_spec *v)
{
	json_t *options = json_array(), *source = v->source ? json_string(v->source) : NULL;

	json_array_append_new(options, json_string(v->readonly ? "ro" : "rw"));
	for (size_t k = 0; k < v->options.n; k++)
		json_array_append_new(options, json_string(v->options.v[k]));
	return json_pack("{s:s, s:o, s:s, s:b, s:s, s:s, s:b, s:o, s:b}", "destination", v->target,
	        "source", source ? source : json_string("?"), "name", v->name ? v->name : "",
	        "anonymous", (int)v->anonymous, "words", v->words ? v->words : "", "type",
	        v->file ? "file" : "directory", "readonly", (int)v->readonly, "options", options,
	        "copyUp", (int)(v->copy_up && !v->file));
}

static int by_depth(const void *a, const void *b)
{
	const struct vol_spec *x = a, *y = b;
	size_t dx = path_depth(x->target), dy = path_depth(y->target);

	return dx != dy ? (dx < dy ? -1 : 1) : strcmp(x->target, y->target);
}

int vol_specs_sort(struct vol_spec *v, size_t n, struct err *e)
{
	qsort(v, n, sizeof *v, by_depth);
	for (size_t i = 1; i < n; i++)
		if (!strcmp(v[i].target, v[i - 1].target))
			return err_set(
			        e, FCVM_EX_USAGE, "two volumes are to be at %s", v[i].target);
	return 0;
}
