/* SPDX-License-Identifier: MIT
 * fcvm-template: shows and removes the templates that runs start from. See fcvm-template(1). */
#include "cleanup.h"
#include "dirs.h"
#include "json.h"
#include "msg.h"
#include "opt.h"
#include "show.h"
#include "status.h"
#include "templates.h"
#include "xio.h"

#include <string.h>

struct template_opts {
	bool json, quiet, all;
	uint64_t limit;
};

static const struct opt table[] = {
        {'a', "all", NULL, "prune: all of them", OPT_FLAG, offsetof(struct template_opts, all),
                false},
        {0, "json", NULL, "print JSON", OPT_FLAG, offsetof(struct template_opts, json), false},
        {0, "limit", "SIZE", "prune: what the rest may take (FCVM_TEMPLATE_LIMIT, or 10g)",
                OPT_SIZE, offsetof(struct template_opts, limit), false},
        {'q', "quiet", NULL, "print names only, or nothing", OPT_FLAG,
                offsetof(struct template_opts, quiet), false},
        OPT_END,
};

static const struct opt_spec spec = {
        .usage = "fcvm-template ls|rm|prune [options] [TEMPLATE|IMAGE...]",
        .summary = "Shows and removes the saved machines that containers start from.",
        .table = table,
};

static json_t *member(const struct template_entry *t, const char *name)
{
	return json_object_get(json_object_get(t->doc, "machine"), name);
}

static const char *reference(const struct template_entry *t)
{
	const char *text = json_string_value(member(t, "reference"));

	return text ? text : "-";
}

/* Whether its container had been started. */
static bool is_warm(const struct template_entry *t)
{
	return json_is_true(member(t, "warm"));
}

static void print_row(const struct template_entry *t)
{
	char when[SHOW_UTC];

	show_utc(when, t->used);
	printf("%.12s  %-4s  %4lld  %6lldM  %7.1fM  %-20s  %s\n", t->key,
	        is_warm(t) ? "warm" : "new", (long long)json_integer_value(member(t, "cpus")),
	        (long long)json_integer_value(member(t, "memory")) >> 20,
	        (double)t->bytes / (1 << 20), when, t->doc ? reference(t) : "(damaged)");
}

static json_t *describe(const struct template_entry *t)
{
	return json_pack("{s:s, s:s, s:b, s:O?, s:O?, s:I, s:I, s:b}", "template", t->key, "image",
	        reference(t), "warm", (int)is_warm(t), "cpus", member(t, "cpus"), "memory",
	        member(t, "memory"), "bytes", (json_int_t)t->bytes, "used", (json_int_t)t->used,
	        "damaged", t->doc == NULL);
}

static int verb_ls(
        const struct templates *t, const struct template_opts *o, char **words, struct err *e)
{
	auto_json json_t *all = json_pack("{s:[]}", "templates");
	struct template_entry *list;
	size_t n;

	if (*words)
		return err_set(e, FCVM_EX_USAGE, "ls takes no words");
	if (templates_list(t, &list, &n, e) < 0)
		return -1;
	if (!o->json && !o->quiet)
		printf("%-12s  %-4s  %4s  %7s  %8s  %-20s  %s\n", "TEMPLATE", "KIND", "CPUS",
		        "MEMORY", "SIZE", "USED", "IMAGE");
	for (size_t i = n; i-- > 0;) { /* the last used first */
		if (o->json)
			json_array_append_new(
			        json_object_get(all, "templates"), describe(&list[i]));
		else if (o->quiet)
			puts(list[i].key);
		else
			print_row(&list[i]);
	}
	if (o->json)
		json_print(all);
	templates_list_free(list, n);
	return FCVM_EX_OK;
}

struct report {
	const struct template_opts *o;
	json_t *list;
};

static void removed(void *ctx, const struct template_entry *t)
{
	struct report *r = ctx;

	json_array_append_new(r->list, json_string(t->key));
	if (!r->o->json && !r->o->quiet)
		printf("removed %.12s\n", t->key);
}

static void finish(struct report *r)
{
	if (r->o->json) {
		auto_json json_t *doc = json_pack("{s:O}", "removed", r->list);

		json_print(doc);
	}
	json_decref(r->list);
}

/* Four digits or more of its name, or its image. */
static bool is_meant(const struct template_entry *t, const char *word)
{
	size_t n = strlen(word);

	return (n >= 4 && !strncmp(t->key, word, n)) || !strcmp(reference(t), word);
}

static int remove_word(
        const struct templates *t, const char *word, struct report *report, struct err *e)
{
	struct template_entry *list;
	bool found = false;
	size_t n;
	int r;

	if (templates_list(t, &list, &n, e) < 0)
		return -1;
	r = 0;
	for (size_t i = 0; i < n && r == 0; i++) {
		if (!is_meant(&list[i], word))
			continue;
		found = true;
		r = templates_remove(t, list[i].key, e) < 0 ? -1 : 0;
		if (r == 0)
			removed(report, &list[i]);
	}
	templates_list_free(list, n);
	return r == 0 && !found ? err_set(e, FCVM_EX_NOTFOUND,
	                                  "there is no template '%s': see fcvm-template ls", word)
	                        : r;
}

static int verb_rm(
        const struct templates *t, const struct template_opts *o, char **words, struct err *e)
{
	struct report report = {.o = o, .list = json_array()};
	int status = FCVM_EX_OK;

	if (!*words)
		err_set(e, FCVM_EX_USAGE, "rm needs templates or images");
	for (char **w = words; *w; w++) /* the others are removed nevertheless */
		if (remove_word(t, *w, &report, e) < 0)
			status = msg_err(e);
	finish(&report);
	return *words ? status : -1;
}

static int verb_prune(
        const struct templates *t, const struct template_opts *o, char **words, struct err *e)
{
	struct report report = {.o = o, .list = NULL};
	int r;

	if (*words)
		return err_set(e, FCVM_EX_USAGE, "prune takes no words");
	report.list = json_array();
	r = templates_prune(t, o->all ? 0 : o->limit, NULL, removed, &report, e);
	finish(&report);
	return r;
}

typedef int verb_fn(const struct templates *, const struct template_opts *, char **, struct err *);

static int verb(const char *name, const struct template_opts *o, char **words, struct err *e)
{
	static const char *const names[] = {"ls", "rm", "prune", NULL};
	static verb_fn *const verbs[] = {verb_ls, verb_rm, verb_prune};
	int i = opt_verb(&spec, name, names, e), r;
	auto_free char *data = dirs_data();
	struct templates t;

	if (i < 0)
		return -1;
	r = templates_open(&t, data, e);
	if (r == 0)
		r = verbs[i](&t, o, words, e);
	templates_close(&t);
	return r;
}

int main(int argc, char **argv)
{
	struct template_opts o = {.limit = templates_limit()};
	struct err e = {.text = ""};
	bool has_verb = argc > 1 && argv[1][0] != '-';
	int at, r;

	std_fds_open();
	at = opt_parse(&spec, argc - has_verb, argv + has_verb, &o, &e);
	if (at < 0)
		return e.status == FCVM_EX_OK ? FCVM_EX_OK : msg_err(&e);
	if (!has_verb) {
		opt_usage(&spec, &e, "the first word is no verb");
		return msg_err(&e);
	}
	r = verb(argv[1], &o, argv + has_verb + at, &e);
	if (r >= 0 && fflush(stdout) != 0)
		r = err_sys(&e, "cannot write to stdout");
	return r < 0 ? msg_err(&e) : r;
}
