/* SPDX-License-Identifier: MIT */
#include "origins.h"
#include "cleanup.h"
#include "dirs.h"
#include "json.h"
#include "store.h"
#include "strv.h"
#include "xio.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#define ORIGINS "origins"

static int open_origins(void)
{
	auto_free char *data = dirs_data();
	auto_free char *path = xasprintf("%s/%s", data, ORIGINS);

	return open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static int is_json(const struct dirent *ent)
{
	size_t n = strlen(ent->d_name);

	return n > 5 && !strcmp(ent->d_name + n - 5, ".json");
}

static void add_origin(json_t *list, int dirfd, const char *file)
{
	auto_json json_t *doc = json_load_at(dirfd, file, NULL);
	const char *kernel = json_string_value(json_object_get(doc, "kernel"));
	const char *profile = json_string_value(json_object_get(doc, "profile"));

	if (kernel && profile && kernel_store_is_key(kernel))
		json_array_append_new(list, json_pack("{s:s, s:s, s:s}", "file", file, "kernel",
		                                    kernel, "profile", profile));
}

json_t *kernel_origins(void)
{
	auto_fd int dir = open_origins();
	struct dirent **names = NULL;
	json_t *list = json_array();
	int n = dir < 0 ? 0 : scandirat(dir, ".", &names, is_json, alphasort);

	for (int i = 0; i < n; i++) {
		add_origin(list, dir, names[i]->d_name);
		free(names[i]);
	}
	free(names);
	return list;
}

static bool is_in(const json_t *list, const json_t *value)
{
	size_t i;
	json_t *have;

	json_array_foreach(list, i, have)
	{
		if (json_equal(have, value))
			return true;
	}
	return false;
}

json_t *kernel_profiles_of(const json_t *origins, const char *key)
{
	json_t *names = json_array(), *origin;
	size_t i;

	json_array_foreach(origins, i, origin)
	{
		json_t *profile = json_object_get(origin, "profile");

		if (!strcmp(json_string_value(json_object_get(origin, "kernel")), key) &&
		        !is_in(names, profile))
			json_array_append(names, profile);
	}
	return names;
}

char *kernel_in_use(void)
{
	auto_free char *data = dirs_data();
	auto_free char *path = xasprintf("%s/setup.json", data);
	auto_json json_t *doc = json_load_at(AT_FDCWD, path, NULL);
	const char *key = json_string_value(json_object_get(doc, "kernel"));

	return key ? xstrdup(key) : NULL;
}

void kernel_origins_forget(const json_t *origins, const char *key)
{
	auto_fd int dir = open_origins();
	json_t *origin;
	size_t i;

	if (dir < 0)
		return;
	json_array_foreach(origins, i, origin)
	{
		if (!strcmp(json_string_value(json_object_get(origin, "kernel")), key))
			unlinkat(dir, json_string_value(json_object_get(origin, "file")), 0);
	}
}
