/* SPDX-License-Identifier: MIT
 * Everything that reads a kernel file: boot header, payload compressions, ELF, packages, modules.
 * Whatever is accepted must be an ELF file within the limit. */
#include "fcvm-kernel/image.h"
#include "fcvm-kernel/modinfo.h"
#include "fcvm-kernel/modules.h"
#include "fcvm-kernel/package.h"

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define MAX ((size_t)4 << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void images(const uint8_t *data, size_t size)
{
	auto_image struct kernel_image img = {.format = NULL};
	struct err e = {.text = ""};

	if (kernel_image_unpack(data, size, MAX, &img, &e) == 0) {
		if (!kernel_elf_is(img.elf.p, img.elf.n) || img.elf.n > MAX)
			abort();
	} else if (!e.text[0] || img.elf.p) {
		abort(); /* a refusal has a reason and leaves nothing */
	}
}

static void modules(const uint8_t *data, size_t size)
{
	struct kernel_modinfo info = {0};
	struct err e;

	if (kernel_modinfo_read(data, size, &info, &e) == 0 && !info.depends)
		abort();
	free(info.depends);
}

/* The first two bytes say how much the block should unpack to. */
static void lzo(const uint8_t *data, size_t size)
{
	size_t n = size > 2 ? kernel_le16(data) : 0;
	uint8_t *out = malloc(n ? n : 1);

	if (!out)
		abort();
	memset(out, 0, n ? n : 1);
	if (size > 2)
		kernel_lzo1x(data + 2, size - 2, out, n);
	free(out);
}

static int no_load(void *ctx, struct kmod *m, struct err *e)
{
	(void)ctx;
	(void)m;
	return err_set(e, 1, "not here");
}

static void lists(const uint8_t *data, size_t size)
{
	static const char *const names[] = {"a.ko", "k/b-c.ko.xz", "d.ko", "e.ko"};
	auto_kmodset struct kmodset set = {.n = 0};
	struct kmod_loader loader = {no_load, NULL};
	auto_free char *dep = strndup((const char *)data, size);
	auto_free char *builtin = strndup((const char *)data, size);
	auto_free char *want = strndup((const char *)data, size);
	struct kmodlist list = {.n = 0};
	struct err e;

	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		kmodset_add(&set, names[i], &e);
	kmodset_dep(&set, dep);
	kmodset_resolve(&set, "a b_c? d e", &loader, &list, &e);
	kmodset_builtin(&set, builtin);
	kmodset_resolve(&set, want, &loader, &list, &e);
}

static void packages(const uint8_t *data, size_t size)
{
	int fd = memfd_create("package", MFD_CLOEXEC);
	auto_package struct kernel_package pkg = {.entries = 0};
	char path[64];
	struct err e = {.text = ""};

	if (fd < 0 || write(fd, data, size) != (ssize_t)size)
		abort();
	snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	if (kernel_package_read(path, NULL, &pkg, &e) < 0 && !e.text[0])
		abort();
	close(fd);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	images(data, size);
	modules(data, size);
	lzo(data, size);
	lists(data, size);
	if (kernel_package_is(data, size))
		packages(data, size);
	return 0;
}
