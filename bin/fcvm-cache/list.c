/* SPDX-License-Identifier: MIT */
#include "verbs.h"
#include "cleanup.h"
#include "status.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

json_t *verb_describe(const struct store *s, const char *id, struct err *e)
{
	auto_strv struct strv keys = {0};
	auto_free char *path = store_image_path(s, id);
	json_t *doc = store_meta(s, id, e), *refs = json_array();

	if (!doc || store_ref_keys(s, &keys, e) < 0) {
		json_decref(doc);
		json_decref(refs);
		return NULL;
	}
	for (size_t i = 0; i < keys.n; i++) {
		struct store_ref r;

		if (!store_ref_load(s, keys.v[i], &r))
			continue;
		if (!strcmp(r.image, id))
			json_array_append_new(refs, json_string(r.source));
		store_ref_free(&r);
	}
	json_object_set_new(doc, "references", refs);
	json_object_set_new(doc, "path", json_string(path));
	return doc;
}

static const char *text(const json_t *doc, const char *key)
{
	const char *v = json_string_value(json_object_get(doc, key));

	return v ? v : "-";
}

static void print_size(json_int_t n)
{
	if (n < (json_int_t)1 << 20)
		printf("%8.1f KiB  ", (double)n / 1024);
	else
		printf("%8.1f MiB  ", (double)n / (1 << 20));
}

static void print_row(const json_t *doc)
{
	const json_t *refs = json_object_get(doc, "references"), *r;
	size_t i;

	printf("%.12s  ", text(doc, "image"));
	print_size(json_integer_value(json_object_get(doc, "rootSize")));
	printf("%-20s  %s", text(doc, "pulled"), json_array_size(refs) ? "" : "<none>");
	for (i = 0; (r = json_array_get(refs, i)); i++)
		printf("%s%s", i ? " " : "", json_string_value(r));
	putchar('\n');
}

int verb_ls(struct store *s, const struct cache_opts *o, char **args, struct err *e)
{
	auto_strv struct strv ids = {0};
	auto_json json_t *all = json_pack("{s:[]}", "images");

	if (*args)
		return err_set(
		        e, FCVM_EX_USAGE, "ls takes no words: try fcvm-cache inspect %s", *args);
	if (store_image_ids(s, &ids, e) < 0)
		return -1;
	if (!o->json && !o->quiet)
		printf("%-12s  %12s  %-20s  %s\n", "IMAGE", "SIZE", "PULLED", "REFERENCES");
	for (size_t i = 0; i < ids.n; i++) {
		json_t *doc = verb_describe(s, ids.v[i], NULL);

		if (!doc) /* on its way out, or damaged: fcvm-cache verify says which */
			continue;
		if (o->quiet && !o->json)
			puts(ids.v[i]);
		else if (!o->json)
			print_row(doc);
		json_array_append_new(json_object_get(all, "images"), doc);
	}
	if (o->json)
		json_print(all);
	return FCVM_EX_OK;
}

int verb_inspect(struct store *s, const struct cache_opts *o, char **args, struct err *e)
{
	auto_json json_t *doc = NULL;
	auto_free char *file = NULL;
	char id[65], key[65];
	json_t *config;
	int r;

	if (!*args || args[1])
		return err_set(e, FCVM_EX_USAGE, "inspect needs one image reference or id");
	r = pull_find(s, *args, o->platform, id, key, e);
	if (r < 0)
		return -1;
	if (r > 0)
		doc = verb_describe(s, id, e);
	if (r == 0 || (!doc && !store_has(s, id)))
		return err_set(e, FCVM_EX_NOTFOUND, "image '%s' is not in the cache", *args);
	if (!doc)
		return -1;
	file = xasprintf("%s/config.json", id);
	config = json_load_at(s->images, file, e);
	if (!config)
		return -1;
	json_object_set_new(doc, "config", config);
	json_print(doc);
	return FCVM_EX_OK;
}
