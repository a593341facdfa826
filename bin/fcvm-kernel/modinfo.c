/* SPDX-License-Identifier: MIT */
#include "modinfo.h"
#include "decompress.h"
#include "status.h"

#include <string.h>

#define DEPENDS_MAX 4096

int kernel_module_unpack(struct kernel_bytes *ko, struct err *e)
{
	enum kernel_comp c = kernel_comp_sniff(ko->p, ko->n);
	struct kernel_bytes plain = {0};

	if (c == KERNEL_COMP_NONE)
		return 0;
	if (kernel_decompress(c, ko->p, ko->n, KERNEL_MODULE_MAX, &plain, NULL, e) < 0)
		return -1;
	kernel_bytes_free(ko);
	*ko = plain;
	return 0;
}

/* The value of "tag=value" among the NUL-terminated strings of the section. */
static const char *find_tag(const char *p, size_t n, const char *tag, size_t *len)
{
	size_t tag_n = strlen(tag);

	while (n > 0) {
		size_t word = strnlen(p, n);

		if (word == n)
			return NULL; /* the last string has no end */
		if (word > tag_n && p[tag_n] == '=' && !memcmp(p, tag, tag_n)) {
			*len = word - tag_n - 1;
			return p + tag_n + 1;
		}
		p += word + 1;
		n -= word + 1;
	}
	return NULL;
}

int kernel_modinfo_read(const uint8_t *p, size_t n, struct kernel_modinfo *out, struct err *e)
{
	struct kernel_elf elf;
	const uint8_t *info;
	const char *v;
	size_t info_n, len = 0;

	if (kernel_elf_open(p, n, &elf, e) < 0 || kernel_machine_check(&elf, e) < 0)
		return -1;
	info = kernel_elf_find(&elf, ".modinfo", &info_n);
	if (!info || elf.head.e_type != ET_REL)
		return err_set(e, FCVM_EX_DATA, "not a kernel module");
	*out = (struct kernel_modinfo){0};
	v = find_tag((const char *)info, info_n, "vermagic", &len);
	if (v) {
		size_t word = 0;

		while (word < len && word < KERNEL_RELEASE_SIZE - 1 && v[word] > ' ')
			word++;
		memcpy(out->release, v, word);
	}
	v = find_tag((const char *)info, info_n, "depends", &len);
	if (len > DEPENDS_MAX && v)
		return err_set(e, FCVM_EX_DATA, "the module names too many others");
	out->depends = v ? strndup(v, len) : strdup("");
	if (!out->depends)
		abort();
	return 0;
}
