/* SPDX-License-Identifier: MIT */
#include "pull.h"
#include "cleanup.h"
#include "imgref.h"

#include <string.h>

/* The reference as it was recorded: its source may be gone by now, or podman's storage no longer
 * have the name, so that only the words are compared. */
static bool same_source(const char *source, const char *text, const struct imgref *r)
{
	const char *rest = strstr(source, "//");

	if (!strcmp(source, text))
		return true;
	if (!r->name)
		return r->canonical && !strcmp(source, r->canonical);
	if (rest && !strncmp(source, "docker://", 9))
		return (r->plain || r->kind == IMGREF_REGISTRY) && !strcmp(source + 9, r->name);
	if (strncmp(source, "containers-storage:", 19) != 0)
		return false;
	return (r->plain || r->kind == IMGREF_STORAGE) && !strcmp(source + 19, r->name);
}

static int find_ref(struct store *s, const char *text, const struct imgref *r, const char *platform,
        char id[65], char key[65], struct err *e)
{
	auto_strv struct strv keys = {0};
	int hits = 0;

	if (store_ref_keys(s, &keys, e) < 0)
		return -1;
	for (size_t i = 0; i < keys.n && !hits; i++) {
		struct store_ref ref;

		if (!store_ref_load(s, keys.v[i], &ref))
			continue;
		if (same_source(ref.source, text, r) && !strcmp(ref.platform, platform)) {
			memcpy(id, ref.image, 65);
			memcpy(key, keys.v[i], 65);
			hits = 1;
		}
		store_ref_free(&ref);
	}
	return hits;
}

int pull_find(struct store *s, const char *text, const char *platform, char id[65], char key[65],
        struct err *e)
{
	auto_imgref struct imgref r = {0};
	struct platform p;
	char name[100];
	int hits = store_find_id(s, text, id, e);

	*key = 0;
	if (hits)
		return hits;
	if (platform_parse(platform, &p, e) < 0)
		return -1;
	platform_text(&p, name);
	imgref_parse(text, &r, NULL);
	return find_ref(s, text, &r, name, id, key, e);
}
