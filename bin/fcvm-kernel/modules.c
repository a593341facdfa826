/* SPDX-License-Identifier: MIT */
#include "modules.h"
#include "modinfo.h"
#include "status.h"

#include <string.h>

#define SET_MAX   20000
#define TEXT_MAX  ((size_t)16 << 20) /* bytes of paths and names that are kept */
#define DEPTH_MAX 32
#define LIST_MAX  4096 /* bytes of names that one module may need */

static void normalise(char *name)
{
	for (; *name; name++)
		if (*name == '-')
			*name = '_';
}

/* Names end up in file names and in messages. */
static bool plain(const char *name)
{
	return strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") ==
	       strlen(name);
}

char *kmod_name(const char *path)
{
	static const char *const ends[] = {".ko", ".ko.xz", ".ko.zst", ".ko.gz"};
	const char *slash = strrchr(path, '/'), *base = slash ? slash + 1 : path;
	size_t n = strlen(base);

	for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
		size_t end = strlen(ends[i]);
		char *name;

		if (n <= end || n - end > 64 || strcmp(base + n - end, ends[i]) != 0)
			continue;
		name = xasprintf("%.*s", (int)(n - end), base);
		normalise(name);
		if (plain(name))
			return name;
		free(name);
	}
	return NULL;
}

static int keep_text(struct kmodset *s, const char *text, struct err *e)
{
	size_t n = strlen(text) + 1;

	if (n > TEXT_MAX - s->text)
		return err_set(e, FCVM_EX_DATA,
		        "the paths and dependencies of its modules take more than %zu MiB",
		        TEXT_MAX >> 20);
	s->text += n;
	return 0;
}

struct kmod *kmodset_add(struct kmodset *s, const char *path, struct err *e)
{
	auto_free char *name = kmod_name(path);
	struct kmod m = {0};

	if (!name) {
		err_set(e, FCVM_EX_DATA, "%s: not the name of a module", path);
		return NULL;
	}
	if (s->n == SET_MAX) {
		err_set(e, FCVM_EX_DATA, "more than %d modules", SET_MAX);
		return NULL;
	}
	if (keep_text(s, path, e) < 0)
		return NULL;
	if (s->n == s->cap) {
		s->cap = s->cap ? s->cap * 2 : 256;
		s->v = realloc(s->v, s->cap * sizeof *s->v);
		if (!s->v)
			abort();
	}
	m.name = steal_ptr(name);
	m.path = xstrdup(path);
	s->v[s->n] = m;
	s->sorted = false;
	return &s->v[s->n++];
}

int kmodset_depends(struct kmodset *s, struct kmod *m, char *depends, struct err *e)
{
	free(m->depends);
	m->depends = depends;
	return keep_text(s, depends, e);
}

/* What is in the release's directory "updates" replaces what the kernel brought: depmod(8). */
static bool is_update(const char *path)
{
	static const char modules[] = "lib/modules/", updates[] = "updates/";
	const char *p = strstr(path, modules);

	if (p) {
		p += sizeof modules - 1;
		p += strcspn(p, "/");
		p += *p == '/';
	} else {
		p = path;
	}
	return !strncmp(p, updates, sizeof updates - 1);
}

static int by_name(const void *a, const void *b)
{
	const struct kmod *x = a, *y = b;
	int r = strcmp(x->name, y->name);

	if (!r)
		r = is_update(y->path) - is_update(x->path);
	return r ? r : strcmp(x->path, y->path);
}

static struct kmod *find(struct kmodset *s, const char *name)
{
	size_t low = 0, high = s->n;

	if (!s->sorted && s->n)
		qsort(s->v, s->n, sizeof *s->v, by_name);
	s->sorted = true;
	while (low < high) { /* the first of its name */
		size_t mid = low + (high - low) / 2;

		if (strcmp(s->v[mid].name, name) < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return low < s->n && !strcmp(s->v[low].name, name) ? &s->v[low] : NULL;
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

void kmodset_builtin(struct kmodset *s, char *text)
{
	char *save = NULL;

	for (char *w = strtok_r(text, "\n", &save); w; w = strtok_r(NULL, "\n", &save)) {
		auto_free char *name = kmod_name(w);

		if (name && s->builtin.n < SET_MAX)
			strv_add(&s->builtin, name);
	}
	if (s->builtin.n)
		qsort(s->builtin.v, s->builtin.n, sizeof *s->builtin.v, by_text);
	s->have_builtin = true;
}

static bool is_builtin(const struct kmodset *s, const char *name)
{
	return s->builtin.n &&
	       bsearch(&name, s->builtin.v, s->builtin.n, sizeof *s->builtin.v, by_text);
}

/* "path: path path …", the last of them to be loaded first; kept as names in loading order. */
static void take_dep_line(struct kmodset *s, char *line)
{
	char *colon = strchr(line, ':'), *save = NULL;
	auto_free char *name = NULL, *list = NULL;
	struct kmod *m;

	if (!colon)
		return;
	*colon = 0;
	name = kmod_name(line);
	m = name ? find(s, name) : NULL;
	if (!m)
		return;
	list = xstrdup("");
	for (char *w = strtok_r(colon + 1, " \t", &save); w && strlen(list) < LIST_MAX;
	        w = strtok_r(NULL, " \t", &save)) {
		auto_free char *dep = kmod_name(w), *was = list;

		list = dep ? xasprintf("%s%s%s", dep, *was ? "," : "", was) : xstrdup(was);
	}
	free(m->depends);
	m->depends = steal_ptr(list);
}

void kmodset_dep(struct kmodset *s, char *text)
{
	char *save = NULL;

	for (char *w = strtok_r(text, "\n", &save); w; w = strtok_r(NULL, "\n", &save))
		take_dep_line(s, w);
}

struct resolver {
	struct kmodset *set;
	const struct kmod_loader *loader;
	struct kmodlist *out;
};

static int learn_depends(const struct resolver *r, struct kmod *m, struct err *e)
{
	struct kernel_modinfo info = {0};

	if (m->depends)
		return 0;
	if (!m->data.p && r->loader->load(r->loader->ctx, m, e) < 0)
		return -1;
	if (kernel_module_unpack(&m->data, e) < 0 ||
	        kernel_modinfo_read(m->data.p, m->data.n, &info, e) < 0)
		return err_prefix(e, "module %s", m->name);
	m->depends = info.depends;
	return 0;
}

static int visit(const struct resolver *r, struct kmod *m, unsigned depth, struct err *e);

static int visit_depends(const struct resolver *r, struct kmod *m, unsigned depth, struct err *e)
{
	auto_free char *list = xstrdup(m->depends);
	char *save = NULL;

	for (char *w = strtok_r(list, ",", &save); w; w = strtok_r(NULL, ",", &save)) {
		struct kmod *dep;

		normalise(w);
		dep = find(r->set, w);
		if (!dep && !is_builtin(r->set, w))
			return err_set(e, FCVM_EX_DATA, "module %s needs %s, which is missing",
			        m->name, w);
		if (dep && visit(r, dep, depth + 1, e) < 0)
			return -1;
	}
	return 0;
}

static int visit(const struct resolver *r, struct kmod *m, unsigned depth, struct err *e)
{
	if (m->state == KMOD_DONE)
		return 0;
	if (m->state == KMOD_OPEN || depth > DEPTH_MAX)
		return err_set(e, FCVM_EX_DATA, "modules need each other in a circle: %s", m->name);
	m->state = KMOD_OPEN;
	if (learn_depends(r, m, e) < 0 || visit_depends(r, m, depth, e) < 0)
		return -1;
	m->state = KMOD_DONE;
	if (r->out->n == KERNEL_MODULES_MAX)
		return err_set(e, FCVM_EX_DATA, "more than %d modules to load", KERNEL_MODULES_MAX);
	r->out->v[r->out->n++] = m;
	return 0;
}

int kmodset_resolve(struct kmodset *s, const char *wanted, const struct kmod_loader *loader,
        struct kmodlist *out, struct err *e)
{
	struct resolver r = {s, loader, out};
	auto_free char *list = xstrdup(wanted);
	char *save = NULL;

	out->n = 0;
	for (char *w = strtok_r(list, " ,\t\n", &save); w; w = strtok_r(NULL, " ,\t\n", &save)) {
		size_t len = strlen(w);
		bool optional = w[len - 1] == '?';
		struct kmod *m;

		if (optional)
			w[len - 1] = 0;
		normalise(w);
		if (is_builtin(s, w))
			continue;
		m = find(s, w);
		if (m && visit(&r, m, 0, e) < 0)
			return -1;
		if (!m && !optional)
			return err_set(e, FCVM_EX_DATA,
			        "module %s is missing: it is neither among the %zu modules nor "
			        "built in",
			        w, s->n);
	}
	return 0;
}

void kmodset_free(struct kmodset *s)
{
	for (size_t i = 0; i < s->n; i++) {
		free(s->v[i].name);
		free(s->v[i].path);
		free(s->v[i].depends);
		kernel_bytes_free(&s->v[i].data);
	}
	free(s->v);
	strv_free(&s->builtin);
	*s = (struct kmodset){0};
}
