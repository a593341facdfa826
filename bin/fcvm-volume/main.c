/* SPDX-License-Identifier: MIT
 * fcvm-volume: the named volumes of this user. See fcvm-volume(1). */
#include "cleanup.h"
#include "json.h"
#include "msg.h"
#include "opt.h"
#include "show.h"
#include "status.h"
#include "tmpl.h"
#include "volumes.h"
#include "xio.h"

#include <string.h>

struct opts {
	const char *format;
	struct strv filter, label;
	bool quiet, json, force, all;
};

#define AT(field) offsetof(struct opts, field)

static const struct opt table[] = {
        {0, "format", "TEMPLATE", "ls, inspect: print this for each, as {{.Name}}", OPT_STR,
                AT(format), false},
        {0, "filter", "KEY=VALUE", "ls, prune: name=, label=NAME[=VALUE], dangling=true", OPT_LIST,
                AT(filter), false},
        {'l', "label", "NAME=VALUE", "create: a label", OPT_LIST, AT(label), false},
        {'q', "quiet", NULL, "ls: only names", OPT_FLAG, AT(quiet), false},
        {0, "json", NULL, "ls: print JSON", OPT_FLAG, AT(json), false},
        {'f', "force", NULL, "rm: a missing one is no error; prune: without being asked twice",
                OPT_FLAG, AT(force), false},
        {'a', "all", NULL, "rm: all that no VM uses; prune: named ones as well", OPT_FLAG, AT(all),
                false},
        OPT_END,
};

static const struct opt_spec spec = {
        .usage = "fcvm-volume ls|create|rm|inspect|prune [options] [NAME...]",
        .summary = "Lists, makes and removes named volumes.",
        .table = table,
};

static const char *text_of(const json_t *doc, const char *key)
{
	const char *s = json_string_value(json_object_get(doc, key));

	return s ? s : "";
}

static bool flag_of(const json_t *doc, const char *key)
{
	return json_is_true(json_object_get(doc, key));
}

/* --- filters --------------------------------------------------------------------------------- */

static bool has_label(const json_t *doc, const char *want)
{
	const char *eq = strchrnul(want, '=');
	auto_free char *name = strndup(want, (size_t)(eq - want));
	const json_t *value = json_object_get(json_object_get(doc, "Labels"), name);

	return value && (!*eq || !strcmp(json_string_value(value), eq + 1));
}

/* 1, 0, or -1 with e filled. */
static int passes(const json_t *doc, const char *filter, struct err *e)
{
	if (!strncmp(filter, "name=", 5))
		return strstr(text_of(doc, "Name"), filter + 5) != NULL;
	if (!strncmp(filter, "label=", 6))
		return has_label(doc, filter + 6);
	if (!strcmp(filter, "dangling=true") || !strcmp(filter, "dangling=false"))
		return flag_of(doc, "InUse") == !strcmp(filter + 9, "false");
	return opt_usage(&spec, e, "--filter %s: it is name=, label= or dangling=", filter);
}

static json_t *chosen(const struct opts *o, struct err *e)
{
	auto_json json_t *all = volumes_list(e), *out = json_array();
	json_t *doc;
	size_t i;

	json_array_foreach(all, i, doc)
	{
		int ok = 1;

		for (size_t k = 0; k < o->filter.n && ok == 1; k++)
			ok = passes(doc, o->filter.v[k], e);
		if (ok < 0)
			return NULL;
		if (ok)
			json_array_append(out, doc);
	}
	return all ? steal_ptr(out) : NULL;
}

/* A mistake in a filter is one where there is nothing to filter, too. */
static int check_filters(const struct opts *o, struct err *e)
{
	auto_json json_t *none = json_object();

	for (size_t i = 0; i < o->filter.n; i++)
		if (passes(none, o->filter.v[i], e) < 0)
			return -1;
	return 0;
}

/* --- verbs ----------------------------------------------------------------------------------- */

static int each(const json_t *list, const char *format, struct err *e)
{
	json_t *doc;
	size_t i;

	json_array_foreach(list, i, doc)
	{
		if (tmpl_expand(format, tmpl_json_path, doc, stdout, e) < 0)
			return -1;
		putchar('\n');
	}
	return 0;
}

static void show_all(const json_t *list)
{
	show_json(stdout, list, JSON_INDENT(1));
	putchar('\n');
}

static int verb_ls(const struct opts *o, char **names, struct err *e)
{
	auto_json json_t *list = chosen(o, e);
	json_t *doc;
	size_t i;

	(void)names;
	if (!list)
		return -1;
	if (o->json) {
		show_all(list);
		return 0;
	}
	if (o->format || o->quiet)
		return each(list, o->format ? o->format : "{{.Name}}", e);
	printf("%-10s %s\n", "DRIVER", "VOLUME NAME");
	json_array_foreach(list, i, doc)
	        printf("%-10s %s\n", text_of(doc, "Driver"), text_of(doc, "Name"));
	return 0;
}

static int verb_create(const struct opts *o, char **names, struct err *e)
{
	struct volume_use u = {.lock = -1};

	if (*names && names[1])
		return opt_usage(&spec, e, "create makes one volume");
	if (*names) {
		if (volumes_create(*names, &o->label, e) < 0)
			return -1;
		puts(*names);
		return 0;
	}
	if (volumes_use("", false, &u, e) < 0)
		return -1;
	puts(u.name);
	free(u.name);
	free(u.path);
	close(u.lock);
	return 0;
}

/* All are tried; the first failure is the one that is told last, with its status. */
static int remove_one(const char *name, const struct opts *o, struct err *first)
{
	struct err e = {0};

	if (volumes_remove(name, &e) == 0) {
		puts(name);
		return 0;
	}
	if (o->force && e.status == FCVM_EX_NOTFOUND)
		return 0;
	if (first->status)
		msg_err(&e);
	else
		*first = e;
	return -1;
}

static int verb_rm(const struct opts *o, char **names, struct err *e)
{
	auto_json json_t *list = o->all ? volumes_list(e) : json_array();
	json_t *doc;
	size_t i;
	int r = 0;

	if (!list)
		return -1;
	if (!*names && !o->all)
		return opt_usage(&spec, e, "no volume given");
	for (; *names; names++)
		r |= remove_one(*names, o, e);
	json_array_foreach(list, i, doc)
	{
		if (!flag_of(doc, "InUse"))
			r |= remove_one(text_of(doc, "Name"), o, e);
	}
	return r;
}

static json_t *find(json_t *list, const char *name)
{
	json_t *doc;
	size_t i;

	json_array_foreach(list, i, doc)
	{
		if (!strcmp(text_of(doc, "Name"), name))
			return doc;
	}
	return NULL;
}

static int verb_inspect(const struct opts *o, char **names, struct err *e)
{
	auto_json json_t *list = volumes_list(e), *found = json_array();

	if (!list)
		return -1;
	if (!*names && !o->all)
		return opt_usage(&spec, e, "no volume given");
	for (; *names; names++) {
		json_t *doc = find(list, *names);

		if (!doc)
			return err_set(e, FCVM_EX_NOTFOUND, "there is no volume %s", *names);
		json_array_append(found, doc);
	}
	if (o->format)
		return each(o->all ? list : found, o->format, e);
	show_all(o->all ? list : found);
	return 0;
}

/* Files that nobody has named are the only ones that go unasked. */
static int verb_prune(const struct opts *o, char **names, struct err *e)
{
	auto_json json_t *list = chosen(o, e);
	json_t *doc;
	size_t i;
	int r = 0;

	if (!list)
		return -1;
	if (*names)
		return opt_usage(&spec, e, "prune takes no names: use rm");
	if (o->all && !o->force)
		return opt_usage(
		        &spec, e, "prune --all removes named volumes: say --force as well");
	json_array_foreach(list, i, doc)
	{
		if (!flag_of(doc, "InUse") && (o->all || flag_of(doc, "Anonymous")))
			r |= remove_one(text_of(doc, "Name"), o, e);
	}
	return r;
}

typedef int verb_fn(const struct opts *o, char **names, struct err *e);

static verb_fn *find_verb(const char *name, struct err *e)
{
	static const char *const names[] = {"ls", "create", "rm", "inspect", "prune", NULL};
	static verb_fn *const verbs[] = {verb_ls, verb_create, verb_rm, verb_inspect, verb_prune};
	int i = opt_verb(&spec, name, names, e);

	return i < 0 ? NULL : verbs[i];
}

static int run(int argc, char **argv, struct opts *o, struct err *e)
{
	bool has_verb = argc > 1 && argv[1][0] != '-';
	int at = opt_parse(&spec, argc - has_verb, argv + has_verb, o, e);
	verb_fn *verb;

	if (at < 0)
		return -1;
	if (!has_verb)
		return opt_usage(&spec, e, "the first word is no verb");
	verb = find_verb(argv[1], e);
	if (!verb || check_filters(o, e) < 0 || verb(o, argv + has_verb + at, e) < 0)
		return -1;
	return fflush(stdout) == 0 ? 0 : err_sys(e, "cannot write to stdout");
}

int main(int argc, char **argv)
{
	struct opts o = {0};
	struct err e = {0};
	int r;

	std_fds_open();
	r = run(argc, argv, &o, &e);
	strv_free(&o.filter);
	strv_free(&o.label);
	return r == 0 || e.status == FCVM_EX_OK ? FCVM_EX_OK : msg_err(&e);
}
