/* SPDX-License-Identifier: MIT */
#include "image.h"
#include "status.h"

#include <string.h>

static int foreign(const uint8_t *p, size_t n, struct err *e)
{
	if (n == 0)
		return err_set(e, FCVM_EX_DATA, "the file is empty");
	if (n >= 60 && !memcmp(p + 56, "ARM\x64", 4))
		return err_set(
		        e, FCVM_EX_DATA, "built for aarch64, not for %s", kernel_machine_name());
	return err_set(e, FCVM_EX_DATA,
	        "not a kernel: neither a bzImage nor an ELF vmlinux, nor an archive of one");
}

bool kernel_image_is(const uint8_t *p, size_t n)
{
	return kernel_elf_is(p, n) || kernel_machine_is_image(p, n);
}

/* "Linux version 6.1.0-…" is in every kernel: /proc/version is made from it. */
static void find_release(struct kernel_image *img)
{
	static const char mark[] = "Linux version ";
	const uint8_t *p = img->elf.p, *end = p + img->elf.n;
	size_t len = 0;

	while ((p = memmem(p, (size_t)(end - p), mark, sizeof mark - 1))) {
		p += sizeof mark - 1;
		if (p < end && *p >= '0' && *p <= '9')
			break;
	}
	while (p && p + len < end && len < KERNEL_RELEASE_SIZE - 1 && p[len] > ' ' &&
	        p[len] < 0x7f) {
		img->release[len] = (char)p[len];
		len++;
	}
	img->release[len] = 0;
}

static int check_elf(struct kernel_image *img, struct err *e)
{
	struct kernel_elf elf;
	bool loadable = false;

	if (!kernel_elf_is(img->elf.p, img->elf.n))
		return err_set(e, FCVM_EX_DATA, "what it unpacks to is not an ELF kernel");
	if (kernel_elf_open(img->elf.p, img->elf.n, &elf, e) < 0 ||
	        kernel_machine_check(&elf, e) < 0)
		return -1;
	for (size_t i = 0; i < elf.head.e_phnum; i++)
		loadable |= kernel_elf_segment(&elf, i).p_type == PT_LOAD;
	if (!loadable || (elf.head.e_type != ET_EXEC && elf.head.e_type != ET_DYN))
		return err_set(
		        e, FCVM_EX_DATA, "an ELF file, but not a program that can be loaded");
	img->direct = kernel_machine_direct(&elf);
	if (!img->release[0])
		find_release(img);
	if (!img->release[0] && !img->direct)
		return err_set(e, FCVM_EX_DATA, "an ELF program, but not a Linux kernel");
	return 0;
}

static int copy(const uint8_t *p, size_t n, size_t max, struct kernel_bytes *out, struct err *e)
{
	if (n > max)
		return kernel_comp_large(max, e);
	out->p = malloc(n ? n : 1);
	if (!out->p)
		abort();
	memcpy(out->p, p, n);
	out->n = n;
	return 0;
}

/* What may follow the compressed data in a payload: the unpacked length, or nothing. */
static int check_rest(const uint8_t *rest, size_t n, size_t unpacked, struct err *e)
{
	if (n == 0 || (n == 4 && kernel_le32(rest) == (uint32_t)unpacked))
		return 0;
	if (n == 4)
		return err_set(e, FCVM_EX_DATA,
		        "the payload unpacks to %zu bytes, not to the %u it names", unpacked,
		        kernel_le32(rest));
	return err_set(e, FCVM_EX_DATA, "%zu stray bytes after the compressed payload", n);
}

static int from_payload(
        const uint8_t *p, size_t n, size_t max, struct kernel_image *img, struct err *e)
{
	size_t used = 0;

	img->comp = kernel_comp_sniff(p, n);
	if (img->comp == KERNEL_COMP_NONE) {
		if (!kernel_elf_is(p, n))
			return err_set(
			        e, FCVM_EX_DATA, "the bzImage payload is in no known compression");
		if (n >= 4 && kernel_le32(p + n - 4) == (uint32_t)(n - 4))
			n -= 4;
		return copy(p, n, max, &img->elf, e);
	}
	if (kernel_decompress(img->comp, p, n, max, &img->elf, &used, e) < 0)
		return err_prefix(e, "bzImage payload");
	return check_rest(p + used, n - used, img->elf.n, e);
}

static int from_plain(
        const uint8_t *p, size_t n, size_t max, struct kernel_image *img, struct err *e)
{
	struct kernel_payload payload;

	if (kernel_machine_is_image(p, n)) {
		img->format = "bzImage";
		if (kernel_machine_payload(p, n, &payload, e) < 0)
			return -1;
		memcpy(img->release, payload.release, sizeof img->release);
		return from_payload(p + payload.at, payload.n, max, img, e);
	}
	img->format = "vmlinux";
	if (kernel_elf_is(p, n))
		return copy(p, n, max, &img->elf, e);
	return foreign(p, n, e);
}

static int from_compressed(
        const uint8_t *p, size_t n, size_t max, struct kernel_image *img, struct err *e)
{
	enum kernel_comp outer = kernel_comp_sniff(p, n);
	auto_bytes struct kernel_bytes inner = {0};

	if (kernel_decompress(outer, p, n, max, &inner, NULL, e) < 0)
		return -1;
	if (kernel_machine_is_image(inner.p, inner.n))
		return from_plain(inner.p, inner.n, max, img, e);
	if (!kernel_elf_is(inner.p, inner.n))
		return foreign(inner.p, inner.n, e);
	img->format = "vmlinux";
	img->comp = outer;
	img->elf = inner;
	inner = (struct kernel_bytes){0};
	return 0;
}

int kernel_image_unpack(
        const uint8_t *p, size_t n, size_t max, struct kernel_image *out, struct err *e)
{
	struct kernel_image img = {.format = ""};
	int r;

	if (kernel_comp_sniff(p, n) != KERNEL_COMP_NONE)
		r = from_compressed(p, n, max, &img, e);
	else
		r = from_plain(p, n, max, &img, e);
	if (r == 0)
		r = check_elf(&img, e);
	if (r < 0) {
		kernel_image_free(&img);
		return -1;
	}
	*out = img;
	return 0;
}
