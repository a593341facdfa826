/* SPDX-License-Identifier: MIT */
#include "verbs.h"
#include "cleanup.h"
#include "msg.h"
#include "sha256.h"
#include "status.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* Does the file's content have that digest ("sha256:…" or bare hex)? -1: why is in e. */
static int check_file(
        const struct store *s, const char *id, const char *name, const char *want, struct err *e)
{
	auto_free char *path = xasprintf("%s/%s", id, name);
	auto_fd int fd = openat(s->images, path, O_RDONLY | O_CLOEXEC);
	char hex[SHA256_HEX];
	int r;

	if (fd < 0)
		return err_sys(e, "%s", name);
	r = sha256_fd(fd, hex);
	if (r < 0) {
		errno = -r;
		return err_sys(e, "%s", name);
	}
	if (!strncmp(want, "sha256:", 7))
		want += 7;
	if (!strcmp(hex, want))
		return 0;
	return err_set(e, FCVM_EX_DATA, "%s has digest sha256:%s, not sha256:%s", name, hex, want);
}

static int check_image(const struct store *s, const char *id, struct err *e)
{
	auto_json json_t *meta = store_meta(s, id, e);
	const char *root = json_string_value(json_object_get(meta, "rootDigest"));

	if (!meta)
		return -1;
	if (!root)
		return err_set(e, FCVM_EX_DATA, "meta.json has no rootDigest");
	if (check_file(s, id, "config.json", id, e) < 0)
		return -1;
	return check_file(s, id, "root.sqfs", root, e);
}

static int named(
        struct store *s, const struct cache_opts *o, char **args, struct strv *ids, struct err *e)
{
	for (; *args; args++) {
		char id[65], key[65];
		int r = pull_find(s, *args, o->platform, id, key, e);

		if (r < 0)
			return -1;
		if (r == 0)
			return err_set(
			        e, FCVM_EX_NOTFOUND, "image '%s' is not in the cache", *args);
		strv_add(ids, id);
	}
	return 0;
}

int verb_verify(struct store *s, const struct cache_opts *o, char **args, struct err *e)
{
	auto_json json_t *list = json_pack("{s:[]}", "images");
	auto_strv struct strv ids = {0};
	int status = FCVM_EX_OK;

	if (*args ? named(s, o, args, &ids, e) < 0 : store_image_ids(s, &ids, e) < 0)
		return -1;
	for (size_t i = 0; i < ids.n; i++) {
		struct err why = {.text = ""};
		int r;

		progress("checking %zu of %zu: %.12s", i + 1, ids.n, ids.v[i]);
		r = check_image(s, ids.v[i], &why);
		progress_end();
		if (r < 0)
			status = FCVM_EX_NO;
		if (!o->json && !(o->quiet && r == 0))
			printf("%.12s %s%s\n", ids.v[i], r < 0 ? "damaged: " : "ok", why.text);
		json_array_append_new(json_object_get(list, "images"),
		        json_pack(
		                "{s:s,s:b,s:s}", "image", ids.v[i], "ok", r == 0, "why", why.text));
	}
	if (o->json)
		json_print(list);
	return status;
}
