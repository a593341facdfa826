/* SPDX-License-Identifier: MIT
 * --mount type=…,…: another way to write --volume and --tmpfs, and turned into them. */
#include "cleanup.h"
#include "plan.h"
#include "status.h"

#include <stdio.h>
#include <string.h>

struct mount_words {
	const char *spec;
	char *type, *source, *target;
	struct strv options;
};

static void words_free(struct mount_words *m)
{
	free(m->type);
	free(m->source);
	free(m->target);
	strv_free(&m->options);
}

static int bad(const struct mount_words *m, struct err *e, const char *why, const char *word)
{
	return err_set(e, FCVM_EX_USAGE, "--mount %s: %s%s", m->spec, why, word);
}

static int set(struct mount_words *m, char **to, const char *key, const char *value, struct err *e)
{
	if (*to)
		return bad(m, e, "a second ", key);
	if (!value || !*value)
		return bad(m, e, "no value for ", key);
	if (strchr(value, ':'))
		return bad(m, e, "no colon is possible in ", key);
	*to = xstrdup(value);
	return 0;
}

static bool is(const char *key, const char *a, const char *b, const char *c)
{
	return !strcmp(key, a) || (b && !strcmp(key, b)) || (c && !strcmp(key, c));
}

/* readonly, ro, readonly=true, rw=false, … */
static int access_mode(struct mount_words *m, const char *key, const char *value, struct err *e)
{
	bool yes = !value || is(value, "true", "1", NULL),
	     no = value && is(value, "false", "0", NULL);

	if (!yes && !no)
		return bad(m, e, "neither true nor false: ", value);
	strv_add(&m->options, yes == (strcmp(key, "rw") != 0) ? "ro" : "rw");
	return 0;
}

static int word(const char *text, void *ctx, struct err *e)
{
	struct mount_words *m = ctx;
	auto_free char *key = xstrdup(text);
	char *value = strchr(key, '=');

	if (value)
		*value++ = 0;
	if (is(key, "type", NULL, NULL))
		return set(m, &m->type, key, value, e);
	if (is(key, "source", "src", NULL))
		return set(m, &m->source, key, value, e);
	if (is(key, "target", "destination", "dst"))
		return set(m, &m->target, key, value, e);
	if (is(key, "ro", "readonly", "rw"))
		return access_mode(m, key, value, e);
	if (is(key, "bind-propagation", "relabel", "consistency") ||
	        is(key, "bind-nonrecursive", "volume-driver", NULL))
		return 0; /* nothing that this could change */
	if (is(key, "tmpfs-size", NULL, NULL) && value)
		strv_addf(&m->options, "size=%s", value);
	else if (is(key, "tmpfs-mode", NULL, NULL) && value)
		strv_addf(&m->options, "mode=%s", value);
	else
		strv_add(&m->options, text);
	return 0;
}

static char *joined(const struct strv *options)
{
	char *out = xstrdup("");

	for (size_t i = 0; i < options->n; i++) {
		char *longer = xasprintf("%s%s%s", out, i ? "," : "", options->v[i]);

		free(out);
		out = longer;
	}
	return out;
}

static int add(struct plan_opts *o, const struct mount_words *m, struct err *e)
{
	const char *type = m->type ? m->type : "volume";
	auto_free char *options = joined(&m->options);
	const char *colon = *options ? ":" : "";
	bool bind = !strcmp(type, "bind");

	if (!m->target)
		return bad(m, e, "target= is missing", "");
	if (!strcmp(type, "tmpfs")) {
		if (m->source)
			return bad(m, e, "a tmpfs has no source", "");
		strv_addf(&o->tmpfs, "%s%s%s", m->target, colon, options);
		return 0;
	}
	if (!bind && strcmp(type, "volume") != 0)
		return bad(m, e, "the type is bind, volume or tmpfs, not ", type);
	if (bind && !m->source)
		return bad(m, e, "source= is missing", "");
	if (bind && *m->source != '/' && *m->source != '.')
		return bad(
		        m, e, "source= is to be a path that begins with / or ., not ", m->source);
	if (!bind && m->source && (*m->source == '/' || *m->source == '.'))
		return bad(m, e, "source= is to be the name of a volume, not ", m->source);
	strv_addf(&o->volume, "%s:%s%s%s", m->source ? m->source : "", m->target, colon, options);
	return 0;
}

int plan_mount_words(struct plan_opts *o, struct err *e)
{
	for (size_t i = 0; i < o->mount.n; i++) {
		struct mount_words m = {.spec = o->mount.v[i]};
		int r = plan_each_part(m.spec, word, &m, e);

		if (r == 0)
			r = add(o, &m, e);
		words_free(&m);
		if (r < 0)
			return -1;
	}
	return 0;
}
