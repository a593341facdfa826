/* SPDX-License-Identifier: MIT */
#include "storage.h"
#include "cleanup.h"
#include "json.h"
#include "strv.h"
#include "xio.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#define IMAGES_MAX ((size_t)64 << 20)

/* The value of `key = "value"` in a TOML file's [storage] table, malloc'd, or NULL. */
static char *conf_value(const char *text, const char *key)
{
	size_t len = strlen(key);
	bool in_table = false;

	for (const char *p = text; *p;) {
		size_t n = strcspn(p, "\n");
		const char *s = p + strspn(p, " \t"), *end = p + n;

		p = *end ? end + 1 : end;
		if (*s == '[') {
			in_table = !strncmp(s, "[storage]", 9);
			continue;
		}
		if (!in_table || strncmp(s, key, len) != 0)
			continue;
		s += len;
		s += strspn(s, " \t");
		if (*s++ != '=')
			continue;
		s += strspn(s, " \t");
		if (*s == '"' || *s == '\'') {
			const char *close = memchr(s + 1, *s, (size_t)(end - s - 1));

			if (close)
				return strndup(s + 1, (size_t)(close - s - 1));
		}
	}
	return NULL;
}

static char *home_path(const char *env, const char *fallback, const char *rest)
{
	const char *base = getenv(env), *home = getenv("HOME");

	if (base && *base)
		return xasprintf("%s%s", base, rest);
	return xasprintf("%s%s%s", home ? home : "", fallback, rest);
}

/* Which file says where the storage is, as containers-storage.conf(5) has it. */
static char *conf_text(bool root)
{
	auto_free char *own = home_path("XDG_CONFIG_HOME", "/.config", "/containers/storage.conf");
	const char *env = getenv("CONTAINERS_STORAGE_CONF");
	const char *const files[] = {env && *env ? env : NULL, root ? NULL : own,
	        "/etc/containers/storage.conf", "/usr/share/containers/storage.conf"};
	char *text = NULL;

	for (size_t i = 0; i < sizeof files / sizeof *files; i++)
		if (files[i] && read_file_at(AT_FDCWD, files[i], 1 << 20, &text, NULL) == 0)
			return text;
	return xstrdup("");
}

static char *graph_root(const char *conf, bool root)
{
	char *path = NULL;

	/* a user's storage is not where the system's file puts root's, unless the file is the
	 * user's */
	if (root || getenv("CONTAINERS_STORAGE_CONF"))
		path = conf_value(conf, "graphroot");
	else
		path = conf_value(conf, "rootless_storage_path");
	if (path && *path == '/' && !strchr(path, '$'))
		return path;
	free(path);
	if (root)
		return xstrdup("/var/lib/containers/storage");
	return home_path("XDG_DATA_HOME", "/.local/share", "/containers/storage");
}

/* The names under which podman would keep what the user wrote. */
static void candidates(const struct imgref *r, struct strv *out)
{
	static const char hub[] = "docker.io/library/";

	if (r->plain && !strncmp(r->name, hub, sizeof hub - 1))
		strv_addf(out, "localhost/%s", r->name + sizeof hub - 1);
	else if (r->plain && !strncmp(r->name, "docker.io/", 10))
		strv_addf(out, "localhost/%s", r->name + 10);
	strv_add(out, r->name);
}

/* name@digest: the repository without a tag, and the image's digest. */
static bool names_match(const json_t *img, const char *want, const char *digest)
{
	const json_t *name, *d;
	size_t i, len = strcspn(want, "@");
	bool right = false;

	if (digest) {
		const char *own = json_string_value(json_object_get(img, "digest"));

		right = own && !strcmp(own, digest);
		json_array_foreach(json_object_get(img, "digests"), i, d)
		{
			right |= json_is_string(d) && !strcmp(json_string_value(d), digest);
		}
		if (!right)
			return false;
	}
	json_array_foreach(json_object_get(img, "names"), i, name)
	{
		const char *s = json_string_value(name);

		if (!s)
			continue;
		if (!digest && !strcmp(s, want))
			return true;
		if (digest && !strncmp(s, want, len) && strchr(":@", s[len]))
			return true;
	}
	return false;
}

int storage_find_in(const char *json, size_t n, const struct imgref *r, char id[65])
{
	auto_json json_t *doc = json_loadb(json, n, 0, NULL);
	auto_strv struct strv names = {0};
	const json_t *img;
	size_t i;

	candidates(r, &names);
	for (size_t k = 0; k < names.n; k++)
		json_array_foreach(doc, i, img)
		{
			const char *hex = json_string_value(json_object_get(img, "id"));

			if (!hex || strspn(hex, "0123456789abcdef") != 64 || hex[64])
				continue;
			if (!names_match(img, names.v[k], r->digest))
				continue;
			memcpy(id, hex, 65);
			return 1;
		}
	return 0;
}

int storage_find(const struct imgref *r, char id[65], struct err *e)
{
	bool root = geteuid() == 0;
	auto_free char *conf = conf_text(root);
	auto_free char *graph = graph_root(conf, root);
	auto_free char *driver = conf_value(conf, "driver");
	const char *const drivers[] = {
	        driver && *driver && !strchr(driver, '/') ? driver : "overlay", "overlay", "vfs",
	        "btrfs", "zfs"};

	for (size_t i = 0; i < sizeof drivers / sizeof *drivers; i++) {
		auto_free char *path = xasprintf("%s/%s-images/images.json", graph, drivers[i]);
		auto_free char *text = NULL;
		size_t n;
		int f = read_file_at(AT_FDCWD, path, IMAGES_MAX, &text, &n);

		if (f == -ENOENT || f == -EACCES || f == -ENOTDIR)
			continue;
		if (f < 0) {
			errno = -f;
			return err_sys(e, "cannot read podman's storage: %s", path);
		}
		return storage_find_in(text, n, r, id);
	}
	return 0;
}
