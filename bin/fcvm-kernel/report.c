/* SPDX-License-Identifier: MIT */
#include "report.h"
#include "import.h"
#include "json.h"
#include "origins.h"
#include "source.h"
#include "status.h"
#include "store.h"
#include "xio.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>

json_t *kernel_inspect(const char *file, const char *member, struct err *e)
{
	auto_source struct kernel_source src = {0};
	const struct kernel_image *img = &src.image;
	json_t *out;

	if (kernel_source_read(file, member, false, &src, e) < 0)
		return NULL;
	out = json_pack("{s:s, s:I, s:b}", "file", file, "size", (json_int_t)src.size, "package",
	        src.packed);
	if (out && img->elf.p) {
		json_object_set_new(out, "format", json_string(img->format));
		json_object_set_new(out, "compression", json_string(kernel_comp_name(img->comp)));
		json_object_set_new(out, "machine", json_string(kernel_machine_name()));
		json_object_set_new(out, "release", json_string(img->release));
		json_object_set_new(out, "vmlinuxSize", json_integer((json_int_t)img->elf.n));
		json_object_set_new(out, "directBoot", json_boolean(img->direct));
	}
	if (out && src.packed) {
		if (src.pkg.image_path)
			json_object_set_new(out, "member", json_string(src.pkg.image_path));
		json_object_set_new(out, "modules", json_integer((json_int_t)src.pkg.mods.n));
	}
	if (!out)
		err_set(e, FCVM_EX_DATA, "%s: cannot describe it", file);
	return out;
}

static int by_release(const void *a, const void *b)
{
	const json_t *x = *(json_t *const *)a, *y = *(json_t *const *)b;
	int r = strcmp(json_string_value(json_object_get(x, "release")),
	        json_string_value(json_object_get(y, "release")));

	return r ? r
	         : strcmp(json_string_value(json_object_get(x, "key")),
	                   json_string_value(json_object_get(y, "key")));
}

/* An entry that cannot be read is left out: it may be going away. */
static json_t *read_entry(const struct kernel_store *s, const char *key)
{
	auto_free char *name = xasprintf("%s/meta.json", key);
	auto_free char *path = xasprintf("%s/%s", s->path, key);
	json_t *meta = json_load_at(s->dirfd, name, NULL);

	if (meta && json_is_string(json_object_get(meta, "release"))) {
		json_object_set_new(meta, "key", json_string(key));
		json_object_set_new(meta, "path", json_string(path));
		return meta;
	}
	json_decref(meta);
	return NULL;
}

json_t *kernel_list(struct err *e)
{
	auto_store struct kernel_store s = KERNEL_STORE_CLOSED;
	auto_json json_t *origins = kernel_origins();
	auto_free char *used = kernel_in_use();
	struct dirent **names = NULL;
	json_t **found, *list;
	size_t have = 0;
	int n;

	if (kernel_store_open(KERNEL_STORE, &s, e) < 0)
		return NULL;
	n = scandirat(s.dirfd, ".", &names, NULL, NULL);
	if (n < 0) {
		err_sys(e, "cannot list %s", s.path);
		return NULL;
	}
	found = xcalloc((size_t)n + 1, sizeof(*found));
	for (int i = 0; i < n; i++) {
		json_t *entry = kernel_store_is_key(names[i]->d_name)
		                        ? read_entry(&s, names[i]->d_name)
		                        : NULL;

		if (entry)
			found[have++] = entry;
		free(names[i]);
	}
	free(names);
	qsort(found, have, sizeof(*found), by_release);
	list = json_array();
	for (size_t i = 0; i < have; i++) {
		const char *key = json_string_value(json_object_get(found[i], "key"));

		json_object_set_new(found[i], "profiles", kernel_profiles_of(origins, key));
		json_object_set_new(found[i], "default", json_boolean(used && !strcmp(used, key)));
		json_array_append_new(list, found[i]);
	}
	free(found);
	return json_pack("{s:o}", "kernels", list);
}

static const char *text(const json_t *obj, const char *key)
{
	const char *s = json_string_value(json_object_get(obj, key));

	return s && *s ? s : "-";
}

static long long number(const json_t *obj, const char *key)
{
	return json_integer_value(json_object_get(obj, key));
}

void kernel_print_inspect(const json_t *r)
{
	bool package = json_is_true(json_object_get(r, "package"));

	printf("file: %s\nsize: %lld\n", text(r, "file"), number(r, "size"));
	if (package)
		printf("package: yes\nmember: %s\nmodules: %lld\n", text(r, "member"),
		        number(r, "modules"));
	if (!json_object_get(r, "format"))
		return;
	printf("format: %s\ncompression: %s\nmachine: %s\nrelease: %s\nvmlinux size: %lld\n"
	       "direct boot: %s\n",
	        text(r, "format"), text(r, "compression"), text(r, "machine"), text(r, "release"),
	        number(r, "vmlinuxSize"),
	        json_is_true(json_object_get(r, "directBoot")) ? "yes" : "no");
}

static void print_profiles(const json_t *kernel)
{
	const json_t *names = json_object_get(kernel, "profiles");
	size_t n = json_array_size(names);

	for (size_t i = 0; i < n; i++)
		printf("%s%s", i ? "," : "", json_string_value(json_array_get(names, i)));
	printf("%s%s\n", n ? "" : "-",
	        json_is_true(json_object_get(kernel, "default")) ? " (default)" : "");
}

void kernel_print_list(const json_t *list)
{
	const json_t *all = json_object_get(list, "kernels");

	printf("%-14s%-32s%8s%9s  %s\n", "KERNEL", "RELEASE", "SIZE", "MODULES", "PROFILE");
	for (size_t i = 0; i < json_array_size(all); i++) {
		const json_t *k = json_array_get(all, i);

		printf("%-14.12s%-32s%6lldM%9zu  ", text(k, "key"), text(k, "release"),
		        number(json_object_get(k, "vmlinux"), "size") >> 20,
		        json_array_size(json_object_get(k, "modules")));
		print_profiles(k);
	}
}
