/* SPDX-License-Identifier: MIT
 * ls, inspect, rm and prune. */
#include "cleanup.h"
#include "json.h"
#include "msg.h"
#include "show.h"
#include "snapshot_tool.h"
#include "status.h"

#include <stdio.h>
#include <string.h>

const char *tool_word(char **words, const char *verb, const char *what, struct err *e)
{
	if (words[0] && !words[1])
		return words[0];
	err_set(e, FCVM_EX_USAGE, "%s takes one %s", verb, what);
	return NULL;
}

static json_t *machine(const json_t *meta, const char *key)
{
	return json_object_get(json_object_get(meta, "machine"), key);
}

static const char *text(const json_t *meta, const char *key)
{
	const char *s = json_string_value(json_object_get(meta, key));

	return s ? s : "-";
}

static const char *kind(const json_t *meta)
{
	return !meta ? "-" : snapshot_is_disk(meta) ? SNAPSHOT_DISK : "memory";
}

static size_t pad(const char *s, size_t width)
{
	size_t n = strlen(s);

	return n < width ? width - n : 0;
}

/* An imported one may say anything of itself. */
static void print_row(const struct snapshot_entry *s)
{
	char when[SHOW_UTC];

	show_utc(when, s->made);
	printf("%-20s  %-6s  ", s->tag, kind(s->meta));
	show_clean(stdout, text(s->meta, "vm"));
	printf("%*s  %6lldM  %7.1fM  %-20s  ", (int)pad(text(s->meta, "vm"), 16), "",
	        (long long)json_integer_value(machine(s->meta, "memory")) >> 20,
	        (double)s->bytes / (1 << 20), when);
	show_clean(stdout, s->meta ? text(s->meta, "image") : "(damaged)");
	putchar('\n');
}

static json_t *describe(const struct snapshots *store, const struct snapshot_entry *s)
{
	return json_pack("{s:s, s:s, s:s, s:s, s:O?, s:O?, s:I, s:I, s:b, s:i}", "tag", s->tag,
	        "kind", kind(s->meta), "vm", text(s->meta, "vm"), "image", text(s->meta, "image"),
	        "cpus", machine(s->meta, "cpus"), "memory", machine(s->meta, "memory"), "bytes",
	        (json_int_t)s->bytes, "created", (json_int_t)s->made, "damaged", s->meta == NULL,
	        "heldBy", (int)snapshots_holder(store, s->tag));
}

int tool_ls(const struct snapshots *s, const struct tool_opts *o, char **words, struct err *e)
{
	auto_json json_t *all = json_pack("{s:[]}", "snapshots");
	struct snapshot_entry *list;
	size_t n;

	if (*words)
		return err_set(e, FCVM_EX_USAGE, "ls takes no words");
	if (snapshots_list(s, &list, &n, e) < 0)
		return -1;
	if (!o->json && !o->quiet)
		printf("%-20s  %-6s  %-16s  %7s  %8s  %-20s  %s\n", "TAG", "KIND", "VM", "MEMORY",
		        "SIZE", "CREATED", "IMAGE");
	for (size_t i = 0; i < n; i++) {
		if (o->json)
			json_array_append_new(
			        json_object_get(all, "snapshots"), describe(s, &list[i]));
		else if (o->quiet)
			puts(list[i].tag);
		else
			print_row(&list[i]);
	}
	if (o->json)
		json_print(all);
	snapshots_list_free(list, n);
	return FCVM_EX_OK;
}

int tool_inspect(const struct snapshots *s, const struct tool_opts *o, char **words, struct err *e)
{
	auto_json json_t *all = json_pack("{s:[]}", "snapshots");

	(void)o;
	if (!*words)
		return err_set(e, FCVM_EX_USAGE, "inspect needs a tag");
	for (; *words; words++) {
		struct snapshot found;

		if (snapshots_find(s, *words, &found, e) < 0)
			return -1;
		json_object_set_new(found.meta, "tag", json_string(*words));
		json_object_set_new(found.meta, "kind", json_string(kind(found.meta)));
		json_array_append(json_object_get(all, "snapshots"), found.meta);
		snapshot_close(&found);
	}
	show_json(stdout, all, JSON_INDENT(1) | JSON_SORT_KEYS);
	putchar('\n');
	return FCVM_EX_OK;
}

struct report {
	const struct tool_opts *o;
	json_t *list;
};

static void removed(struct report *r, const char *tag)
{
	json_array_append_new(r->list, json_string(tag));
	if (!r->o->json && !r->o->quiet)
		printf("removed %s\n", tag);
}

static void finish(struct report *r)
{
	if (r->o->json) {
		auto_json json_t *doc = json_pack("{s:O}", "removed", r->list);

		json_print(doc);
	}
	json_decref(r->list);
}

int tool_rm(const struct snapshots *s, const struct tool_opts *o, char **words, struct err *e)
{
	struct report report = {.o = o, .list = NULL};
	int status = FCVM_EX_OK;

	if (!*words)
		return err_set(e, FCVM_EX_USAGE, "rm needs tags");
	report.list = json_array();
	for (; *words; words++) { /* the others are removed nevertheless */
		int r = snapshots_remove(s, *words, e);

		if (r == 0)
			r = err_set(e, FCVM_EX_NOTFOUND,
			        "there is no snapshot '%s': see fcvm-snapshot ls", *words);
		if (r < 0)
			status = msg_err(e);
		else
			removed(&report, *words);
	}
	finish(&report);
	return status;
}

static bool is_damaged(const struct snapshots *s, const char *tag)
{
	struct snapshot found;
	struct err e;
	bool good = snapshots_find(s, tag, &found, &e) == 0;

	snapshot_close(&found);
	return !good && e.status == FCVM_EX_DATA;
}

int tool_prune(const struct snapshots *s, const struct tool_opts *o, char **words, struct err *e)
{
	struct report report = {.o = o, .list = NULL};
	struct snapshot_entry *list;
	size_t n;
	int r, status = FCVM_EX_OK;

	if (*words)
		return err_set(e, FCVM_EX_USAGE, "prune takes no words: use rm");
	if (snapshots_sweep(s, e) < 0 || snapshots_list(s, &list, &n, e) < 0)
		return -1;
	report.list = json_array();
	for (size_t i = 0; i < n; i++) { /* one that is held keeps no other */
		if (!o->all && !is_damaged(s, list[i].tag))
			continue;
		r = snapshots_remove(s, list[i].tag, e);
		if (r > 0)
			removed(&report, list[i].tag);
		else if (r < 0)
			status = msg_err(e);
	}
	finish(&report);
	snapshots_list_free(list, n);
	return status;
}
