/* SPDX-License-Identifier: MIT */
#include "verbs.h"
#include "cleanup.h"
#include "msg.h"
#include "status.h"

#include <stdio.h>
#include <string.h>

/* 1: the image went; 0: only the name did. */
static int remove_one(
        struct store *s, const struct cache_opts *o, const char *word, char id[65], struct err *e)
{
	char key[65];
	int r = pull_find(s, word, o->platform, id, key, e);

	if (r < 0)
		return -1;
	if (r == 0)
		return err_set(e, FCVM_EX_NOTFOUND, "image '%s' is not in the cache", word);
	if (*key) {
		r = store_refs_to(s, id, false, e);
		if (r < 0)
			return -1;
		if (r > 1)
			return store_ref_remove(s, key, e);
	}
	return store_image_remove(s, id, false, e);
}

static void report(const struct cache_opts *o, json_t *list, const char *id)
{
	if (!o->quiet && !o->json)
		printf("removed %.12s\n", id);
	json_array_append_new(json_object_get(list, "removed"), json_string(id));
}

int verb_rm(struct store *s, const struct cache_opts *o, char **args, struct err *e)
{
	auto_json json_t *list = json_pack("{s:[]}", "removed");
	int status = FCVM_EX_OK;

	if (!*args)
		return err_set(e, FCVM_EX_USAGE, "rm needs image references or ids");
	for (; *args; args++) {
		char id[65];
		int r = remove_one(s, o, *args, id, e);

		if (r < 0) /* the others are removed nevertheless */
			status = msg_err(e);
		else if (r)
			report(o, list, id);
		else if (!o->quiet && !o->json)
			printf("removed the name %s; the image has others\n", *args);
	}
	if (o->json)
		json_print(list);
	return status;
}

/* References whose image is gone. */
static int drop_dangling(struct store *s, struct err *e)
{
	auto_strv struct strv keys = {0};

	if (store_ref_keys(s, &keys, e) < 0)
		return -1;
	for (size_t i = 0; i < keys.n; i++) {
		struct store_ref r;
		bool dead = true;

		if (store_ref_load(s, keys.v[i], &r)) {
			dead = !store_has(s, r.image);
			store_ref_free(&r);
		}
		if (dead && store_ref_remove(s, keys.v[i], e) < 0)
			return -1;
	}
	return 0;
}

int verb_prune(struct store *s, const struct cache_opts *o, char **args, struct err *e)
{
	auto_json json_t *list = json_pack("{s:[]}", "removed");
	auto_strv struct strv ids = {0};

	if (*args)
		return err_set(e, FCVM_EX_USAGE, "prune takes no words");
	if (store_sweep(s, e) < 0 || drop_dangling(s, e) < 0 || store_image_ids(s, &ids, e) < 0)
		return -1;
	for (size_t i = 0; i < ids.n; i++) {
		int r = store_image_remove(s, ids.v[i], !o->all, e);

		if (r > 0)
			report(o, list, ids.v[i]);
		else if (r < 0 && e->status != FCVM_EX_BUSY)
			return -1;
		else if (r < 0 && !o->quiet)
			msg("kept: %s", e->text);
	}
	if (o->json)
		json_print(list);
	return FCVM_EX_OK;
}
