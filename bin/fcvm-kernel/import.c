/* SPDX-License-Identifier: MIT */
#include "import.h"
#include "json.h"
#include "modinfo.h"
#include "msg.h"
#include "source.h"
#include "status.h"
#include "store.h"
#include "tree.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

/* Where modules come from: the kernel's own package, another package, or a directory. */
struct origin {
	struct kmodset *set;
	const char *file; /* the package, NULL for a directory */
	struct kmodset tree;
	struct kernel_source other;
	int dirfd;
};

static void origin_free(struct origin *o)
{
	kmodset_free(&o->tree);
	kernel_source_free(&o->other);
	cleanup_fd_(&o->dirfd);
}

static int open_origin(
        const struct kernel_import *in, struct kernel_source *src, struct origin *o, struct err *e)
{
	struct stat st;

	o->set = &src->pkg.mods;
	o->file = in->file;
	if (!in->modules)
		return 0;
	if (stat(in->modules, &st) == 0 && S_ISREG(st.st_mode)) {
		o->set = &o->other.pkg.mods;
		o->file = in->modules;
		if (kernel_source_read(in->modules, NULL, false, &o->other, e) < 0)
			return -1;
		return o->other.packed ? 0
		                       : err_set(e, FCVM_EX_DATA,
		                                 "%s: neither a directory nor a package of modules",
		                                 in->modules);
	}
	o->set = &o->tree;
	o->file = NULL;
	return kernel_tree_read(in->modules, &o->tree, &o->dirfd, e);
}

static int no_loader(void *ctx, struct kmod *m, struct err *e)
{
	(void)ctx;
	return err_set(e, FCVM_EX_DATA, "module %s cannot be read", m->name);
}

/* Loads what resolving did not, unpacks, and checks that it is of this kernel. */
static int load_modules(
        const struct origin *o, const struct kmodlist *list, const char *release, struct err *e)
{
	if (o->file && kernel_package_fill(o->file, list, e) < 0)
		return -1;
	for (size_t i = 0; i < list->n; i++) {
		struct kernel_modinfo info = {0};
		struct kmod *m = list->v[i];

		if (!m->data.p && kernel_tree_load((void *)(uintptr_t)&o->dirfd, m, e) < 0)
			return -1;
		if (kernel_module_unpack(&m->data, e) < 0 ||
		        kernel_modinfo_read(m->data.p, m->data.n, &info, e) < 0)
			return err_prefix(e, "module %s", m->name);
		free(info.depends);
		if (release[0] && info.release[0] && strcmp(release, info.release) != 0)
			return err_set(e, FCVM_EX_DATA,
			        "module %s is for kernel %s, the kernel is %s", m->name,
			        info.release, release);
	}
	return 0;
}

static int choose_modules(const struct kernel_import *in, const struct kernel_image *img,
        struct origin *o, struct kmodlist *list, struct strv *notes, struct err *e)
{
	struct kmod_loader loader = {o->file ? no_loader : kernel_tree_load, &o->dirfd};
	const char *where = in->modules ? in->modules : in->file;

	if (!o->set->n && !o->set->have_builtin) {
		strv_addf(notes,
		        "%s brings no modules: the guest can only use what this kernel has built "
		        "in",
		        where);
		return 0;
	}
	if (kmodset_resolve(o->set, in->wanted, &loader, list, e) < 0 ||
	        load_modules(o, list, img->release, e) < 0)
		return err_prefix(e, "%s", where);
	return 0;
}

static json_t *describe(const struct kernel_image *img, const struct kmodlist *list)
{
	json_t *mods = json_array();
	char hex[SHA256_HEX];

	for (size_t i = 0; i < list->n; i++) {
		const struct kmod *m = list->v[i];
		auto_free char *file = xasprintf("%02zu-%s.ko", i, m->name);

		sha256_hex(m->data.p, m->data.n, hex);
		json_array_append_new(
		        mods, json_pack("{s:s, s:s, s:s, s:I}", "name", m->name, "file", file,
		                      "sha256", hex, "size", (json_int_t)m->data.n));
	}
	sha256_hex(img->elf.p, img->elf.n, hex);
	return json_pack("{s:i, s:s, s:s, s:b, s:{s:s, s:I}, s:o}", "fcvmKernel", 1, "machine",
	        kernel_machine_name(), "release", img->release, "directBoot", img->direct,
	        "vmlinux", "sha256", hex, "size", (json_int_t)img->elf.n, "modules", mods);
}

static int write_entry(struct kernel_store *s, const struct kernel_image *img,
        const struct kmodlist *list, const json_t *meta, struct err *e)
{
	auto_fd int dir = -1;
	int r;

	if (kernel_store_put(s, "vmlinux", img->elf.p, img->elf.n, e) < 0)
		return -1;
	if (mkdirat(s->tmpfd, "modules", 0755) < 0)
		return err_sys(e, "cannot make modules in %s", s->path);
	for (size_t i = 0; i < list->n; i++) {
		auto_free char *name = xasprintf("modules/%02zu-%s.ko", i, list->v[i]->name);

		if (kernel_store_put(s, name, list->v[i]->data.p, list->v[i]->data.n, e) < 0)
			return -1;
	}
	dir = openat(s->tmpfd, "modules", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0 || fsync(dir) < 0) /* the files in it are on disk, not yet their names */
		return err_sys(e, "cannot write modules in %s", s->path);
	r = json_save_at(s->tmpfd, "meta.json", meta, 0644);
	if (r < 0) {
		errno = -r;
		return err_sys(e, "cannot write meta.json in %s", s->path);
	}
	return kernel_store_commit(s, e);
}

static json_t *store_kernel(
        const struct kernel_image *img, const struct kmodlist *list, struct err *e)
{
	auto_store struct kernel_store s = KERNEL_STORE_CLOSED;
	auto_json json_t *meta = describe(img, list);
	auto_free char *canonical = meta ? json_dumps(meta, JSON_COMPACT | JSON_SORT_KEYS) : NULL;
	auto_free char *path = NULL;
	char key[SHA256_HEX];
	int r;

	if (!canonical) {
		err_set(e, FCVM_EX_DATA, "the release of this kernel is no text");
		return NULL;
	}
	sha256_hex(canonical, strlen(canonical), key);
	if (kernel_store_open(KERNEL_STORE, &s, e) < 0)
		return NULL;
	r = kernel_store_begin(&s, key, e);
	if (r < 0 || (r == 0 && write_entry(&s, img, list, meta, e) < 0))
		return NULL;
	path = xasprintf("%s/%s", s.path, key);
	json_object_set_new(meta, "key", json_string(key));
	json_object_set_new(meta, "path", json_string(path));
	return steal_ptr(meta);
}

json_t *kernel_import(const struct kernel_import *in, struct strv *notes, struct err *e)
{
	auto_source struct kernel_source src = {0};
	__attribute__((cleanup(origin_free))) struct origin o = {.dirfd = -1};
	struct kmodlist list = {.n = 0};

	if (kernel_source_read(in->file, in->member, true, &src, e) < 0 ||
	        open_origin(in, &src, &o, e) < 0 ||
	        choose_modules(in, &src.image, &o, &list, notes, e) < 0)
		return NULL;
	if (!src.image.direct)
		strv_addf(notes,
		        "%s has no PVH note: hypervisors that need one, such as QEMU, cannot boot "
		        "it",
		        in->file);
	return store_kernel(&src.image, &list, e);
}
