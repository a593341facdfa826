/* SPDX-License-Identifier: MIT */
#include "initrd.h"
#include "cpio.h"
#include "json.h"
#include "machine.h"
#include "modinfo.h"
#include "modules.h"
#include "status.h"
#include "store.h"
#include "xio.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#define PROGRAM_MAX ((size_t)64 << 20)
#define MODULE_DIR  "lib/fcvm/modules"
#define FILES_MAX   (KERNEL_MODULES_MAX + 16)

/* The list of what goes in, in the order of paths. Owns paths and data. */
struct content {
	struct kernel_file v[FILES_MAX];
	size_t n;
};

static void content_free(struct content *c)
{
	for (size_t i = 0; i < c->n; i++) {
		free((void *)(uintptr_t)c->v[i].path);
		free((void *)(uintptr_t)c->v[i].data);
	}
}

static void add_dir(struct content *c, const char *path)
{
	c->v[c->n++] = (struct kernel_file){.path = xstrdup(path), .mode = S_IFDIR | 0755};
}

static int add_file(struct content *c, const char *path, unsigned mode, int at, const char *from,
        size_t max, struct err *e)
{
	auto_free char *data = NULL;
	size_t n = 0;
	int r = read_file_at(at, from, max, &data, &n);

	if (r < 0) {
		errno = -r;
		err_sys(e, "cannot read %s", from);
		if (e && r == -ENOENT)
			e->status = FCVM_EX_NOTFOUND;
		return -1;
	}
	c->v[c->n++] = (struct kernel_file){xstrdup(path), S_IFREG | mode, steal_ptr(data), n};
	return 0;
}

/* There is no dynamic loader in the guest. */
static int check_static(const struct kernel_file *f, const char *from, struct err *e)
{
	struct kernel_elf elf;

	if (kernel_elf_open(f->data, f->n, &elf, e) < 0 || kernel_machine_check(&elf, e) < 0)
		return err_prefix(e, "%s", from);
	for (size_t i = 0; i < elf.head.e_phnum; i++)
		if (kernel_elf_segment(&elf, i).p_type == PT_INTERP)
			return err_set(e, FCVM_EX_DATA,
			        "%s: not statically linked, so it cannot run in the guest", from);
	return 0;
}

static int add_program(struct content *c, const char *path, const char *from, struct err *e)
{
	if (add_file(c, path, 0755, AT_FDCWD, from, PROGRAM_MAX, e) < 0)
		return -1;
	return check_static(&c->v[c->n - 1], from, e);
}

static int add_module(struct content *c, int kernel_fd, const json_t *m, struct err *e)
{
	auto_free char *from = NULL, *to = NULL;
	const char *file, *want;
	char hex[SHA256_HEX];

	if (json_get_str(m, "file", &file, e) < 0 || json_get_str(m, "sha256", &want, e) < 0)
		return -1;
	if (!file || !want || strchr(file, '/') || file[0] == '.')
		return err_set(e, FCVM_EX_DATA, "meta.json names a module badly");
	if (c->n >= FILES_MAX - 8)
		return err_set(e, FCVM_EX_DATA, "meta.json names too many modules");
	from = xasprintf("modules/%s", file);
	to = xasprintf(MODULE_DIR "/%s", file);
	if (add_file(c, to, 0644, kernel_fd, from, KERNEL_MODULE_MAX, e) < 0)
		return -1;
	sha256_hex(c->v[c->n - 1].data, c->v[c->n - 1].n, hex);
	if (strcmp(hex, want) != 0)
		return err_set(e, FCVM_EX_DATA, "%s is damaged: import the kernel again", from);
	return 0;
}

static int add_modules(struct content *c, const char *kernel, struct err *e)
{
	auto_fd int fd = open(kernel, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	auto_json json_t *meta = NULL;
	const json_t *mods;

	if (fd < 0) {
		err_sys(e, "cannot open the kernel directory %s", kernel);
		if (e && errno == ENOENT)
			e->status = FCVM_EX_NOTFOUND;
		return -1;
	}
	meta = json_load_at(fd, "meta.json", e);
	if (!meta)
		return err_prefix(e, "%s", kernel);
	mods = json_object_get(meta, "modules");
	for (size_t i = 0; i < json_array_size(mods); i++)
		if (add_module(c, fd, json_array_get(mods, i), e) < 0)
			return err_prefix(e, "%s", kernel);
	return 0;
}

/* In the order of paths, which is also parents first. */
static int gather(struct content *c, const struct kernel_initrd *in, struct err *e)
{
	add_dir(c, "bin");
	if (in->busybox && add_program(c, "bin/busybox", in->busybox, e) < 0)
		return -1;
	add_dir(c, "dev");
	if (add_program(c, "init", in->agent, e) < 0)
		return -1;
	add_dir(c, "lib");
	add_dir(c, "lib/fcvm");
	add_dir(c, MODULE_DIR);
	if (add_modules(c, in->kernel, e) < 0)
		return -1;
	add_dir(c, "proc");
	add_dir(c, "sys");
	return 0;
}

/* The key comes from the contents, not from the archive: a hit packs nothing. */
static void make_key(const struct content *c, char key[SHA256_HEX])
{
	struct sha256 *h = sha256_begin();

	for (size_t i = 0; i < c->n; i++) {
		const struct kernel_file *f = &c->v[i];
		char hex[SHA256_HEX];
		auto_free char *line = NULL;

		sha256_hex(f->data, f->n, hex);
		line = xasprintf("%o %s %s\n", f->mode, hex, f->path);
		sha256_add(h, line, strlen(line));
	}
	sha256_end(h, key);
}

static int write_entry(struct kernel_store *s, const struct content *c, struct err *e)
{
	auto_bytes struct kernel_bytes cpio = {0};

	if (kernel_cpio_pack(c->v, c->n, &cpio, e) < 0 ||
	        kernel_store_put(s, "initrd", cpio.p, cpio.n, e) < 0)
		return -1;
	return kernel_store_commit(s, e);
}

json_t *kernel_initrd(const struct kernel_initrd *in, struct err *e)
{
	__attribute__((cleanup(content_free))) struct content c = {.n = 0};
	auto_store struct kernel_store s = KERNEL_STORE_CLOSED;
	auto_free char *path = NULL, *file = NULL;
	char key[SHA256_HEX];
	struct stat st;
	int r;

	if (gather(&c, in, e) < 0)
		return NULL;
	make_key(&c, key);
	if (kernel_store_open(KERNEL_INITRD_STORE, &s, e) < 0)
		return NULL;
	r = kernel_store_begin(&s, key, e);
	if (r < 0 || (r == 0 && write_entry(&s, &c, e) < 0))
		return NULL;
	path = xasprintf("%s/%s", s.path, key);
	file = xasprintf("%s/initrd", path);
	if (stat(file, &st) < 0) {
		err_sys(e, "cannot find %s", file);
		return NULL;
	}
	return json_pack("{s:s, s:s, s:s, s:I}", "key", key, "path", path, "file", file, "size",
	        (json_int_t)st.st_size);
}
