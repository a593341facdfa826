/* SPDX-License-Identifier: MIT */
#include "verbs.h"
#include "cleanup.h"
#include "columns.h"
#include "dirs.h"
#include "filter.h"
#include "json.h"
#include "show.h"
#include "status.h"
#include "tmpl.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#define DEFAULT_FORMAT \
	"table {{.Name}}\t{{.Image}}\t{{.Command}}\t{{.Created}}\t{{.Status}}\t{{.Ports}}"

struct opts {
	bool all, quiet, json, latest, no_trunc, no_heading;
	const char *format, *sort;
	struct strv filters;
	uint64_t last;
};

#define AT(field) offsetof(struct opts, field)

static const struct opt table[] = {
        {'a', "all", NULL, "also those that have ended (which -n, -l and some filters imply)",
                OPT_FLAG, AT(all), false},
        {'f', "filter", "KEY=VALUE",
                "only with this name, id, label, status, exited, health or ancestor", OPT_LIST,
                AT(filters), false},
        {0, "format", "TEMPLATE", "json, or such as '{{.Name}} {{.Status}}'", OPT_STR, AT(format),
                false},
        {0, "json", NULL, "print JSON", OPT_FLAG, AT(json), false},
        {'n', "last", "N", "only the N that were made last", OPT_U64, AT(last), false},
        {'l', "latest", NULL, "only the one that was made last", OPT_FLAG, AT(latest), false},
        {0, "no-trunc", NULL, "print commands in full", OPT_FLAG, AT(no_trunc), false},
        {0, "noheading", NULL, "print no headings", OPT_FLAG, AT(no_heading), false},
        {'q', "quiet", NULL, "print only names", OPT_FLAG, AT(quiet), false},
        {0, "sort", "KEY", "by created (default), names, status, image or command", OPT_STR,
                AT(sort), false},
        OPT_END,
};

static const struct opt_spec spec = {
        .usage = "fcvm-ctl ls [options]",
        .summary = "Lists VMs, the newest first.",
        .table = table,
};

static const char *const sort_keys[] = {"created", "names", "status", "image", "command", NULL};

struct row {
	const struct vm *vm;
	const char *key;
	size_t at; /* by age: rows of one key stay in that order */
};

static int by_key(const void *a, const void *b)
{
	const struct row *x = a, *y = b;
	int r = strcmp(x->key, y->key);

	return r ? r : (x->at > y->at) - (x->at < y->at);
}

static const char *sort_key(const struct vm *vm, const char *by)
{
	const json_t *command = json_object_get(vm->state, "command");
	const char *word = json_string_value(json_array_get(command, 0));

	if (!strcmp(by, "names"))
		return vm->name;
	if (!strcmp(by, "status"))
		return vm_text(vm, "state");
	if (!strcmp(by, "image"))
		return vm_text(vm, "image");
	return !strcmp(by, "command") && word ? word : "";
}

/* The VMs to show, in order; the caller frees. */
static struct row *choose(const struct vms *vms, const struct opts *o, size_t *n)
{
	struct row *rows = xcalloc(vms->n, sizeof *rows);
	uint64_t limit = o->latest ? 1 : o->last ? o->last : UINT64_MAX;

	*n = 0;
	for (size_t i = 0; i < vms->n && *n < limit; i++) {
		const struct vm *vm = &vms->v[i];

		if (!filter_match(&o->filters, vm))
			continue;
		rows[*n] = (struct row){vm, sort_key(vm, o->sort), i};
		++*n;
	}
	qsort(rows, *n, sizeof *rows, by_key);
	return rows;
}

static int print_json(const struct row *rows, size_t n)
{
	auto_json json_t *all = json_array();

	for (size_t i = 0; i < n; i++)
		json_array_append(all, rows[i].vm->state);
	show_json(stdout, all, JSON_INDENT(1));
	putchar('\n');
	return FCVM_EX_OK;
}

static int print_rows(const struct row *rows, size_t n, const struct opts *o, struct err *e)
{
	const char *format = o->quiet ? "{{.Name}}" : o->format;
	struct column_row r = {.no_trunc = o->no_trunc};
	auto_strv struct strv lines = {0};
	struct timespec now;
	bool aligned;

	if (!format || !strcmp(format, "table"))
		format = DEFAULT_FORMAT;
	aligned = !strncmp(format, "table ", 6);
	if (aligned)
		format += 6;
	clock_gettime(CLOCK_REALTIME, &now);
	r.now = (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
	/* Also where no headings are wanted: a wrong field is wrong without any VM, too. */
	if (tmpl_line(format, column_field, &r, &lines, e) < 0)
		return -1;
	if (!aligned || o->no_heading)
		strv_free(&lines);
	for (size_t i = 0; i < n; i++) {
		r.vm = rows[i].vm;
		if (tmpl_line(format, column_field, &r, &lines, e) < 0)
			return -1;
	}
	if (aligned)
		show_table(stdout, &lines);
	else
		for (size_t i = 0; i < lines.n; i++)
			puts(lines.v[i]);
	return FCVM_EX_OK;
}

static int check(const struct opts *o, const char *word, struct err *e)
{
	const char *close = opt_closest(o->sort, sort_keys);

	if (word)
		return opt_usage(&spec, e, "ls takes no words: %s", word);
	if (o->quiet && o->format)
		return opt_usage(&spec, e, "--quiet and --format do not go together");
	if (!close || strcmp(close, o->sort) != 0)
		return err_set(e, FCVM_EX_USAGE,
		        "--sort %s: takes created, names, status, image or command", o->sort);
	return filter_check(&o->filters, e);
}

static int list(struct opts *o, const char *word, struct err *e)
{
	auto_free char *base = dirs_run(), *data = dirs_data();
	auto_free struct row *rows = NULL;
	auto_vms struct vms vms = {0};
	size_t n;

	if (o->format && !strcmp(o->format, "json")) {
		o->json = true;
		o->format = NULL;
	}
	o->all |= o->latest || o->last || filter_wants_ended(&o->filters);
	if (check(o, word, e) < 0 || vms_load(base, o->all ? data : NULL, &vms, e) < 0)
		return -1;
	rows = choose(&vms, o, &n);
	return o->json ? print_json(rows, n) : print_rows(rows, n, o, e);
}

int ctl_ls(int argc, char **argv, struct err *e)
{
	struct opts o = {.sort = "created"};
	struct vms_selector none = {0};
	int r = vms_opt_parse(&spec, argc, argv, &o, &none, e);

	if (r == 0)
		r = list(&o, none.n_words ? none.words[0] : NULL, e);
	strv_free(&o.filters);
	return r;
}
