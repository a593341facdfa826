/* SPDX-License-Identifier: MIT
 * x86: the bzImage boot header is specified in the kernel's Documentation/arch/x86/boot.rst, PVH in
 * Xen's docs/misc/pvh.pandoc. */
#include "bytes.h"
#include "machine.h"
#include "status.h"

#include <string.h>

#define SETUP_SECTS    0x1f1
#define BOOT_FLAG      0x1fe
#define HEADER_MAGIC   0x202
#define PROTOCOL       0x206
#define KERNEL_VERSION 0x20e
#define PAYLOAD_OFFSET 0x248
#define PAYLOAD_LENGTH 0x24c
#define HEADER_END     0x250

#define PROTOCOL_PAYLOAD 0x208 /* the first version that tells where the payload is */

#define XEN_PHYS32_ENTRY 18 /* XEN_ELFNOTE_PHYS32_ENTRY */

const char *kernel_machine_name(void)
{
	return "x86_64";
}

int kernel_machine_check(const struct kernel_elf *elf, struct err *e)
{
	if (elf->head.e_machine == EM_X86_64)
		return 0;
	return err_set(e, FCVM_EX_DATA, "built for %s, not for x86_64",
	        elf->head.e_machine == EM_AARCH64 ? "aarch64"
	        : elf->head.e_machine == EM_RISCV ? "riscv"
	        : elf->head.e_machine == EM_386   ? "32-bit x86"
	                                          : "another machine");
}

bool kernel_machine_direct(const struct kernel_elf *elf)
{
	return kernel_elf_note(elf, "Xen", XEN_PHYS32_ENTRY);
}

bool kernel_machine_is_image(const uint8_t *p, size_t n)
{
	return n >= HEADER_MAGIC + 4 && p[BOOT_FLAG] == 0x55 && p[BOOT_FLAG + 1] == 0xaa &&
	       !memcmp(p + HEADER_MAGIC, "HdrS", 4);
}

/* The first word of the text that kernel_version points at (less 0x200). */
static void read_release(const uint8_t *p, size_t n, char out[KERNEL_RELEASE_SIZE])
{
	size_t at = kernel_le16(p + KERNEL_VERSION), len = 0;

	out[0] = 0;
	if (!at)
		return;
	at += 0x200;
	while (at + len < n && len < KERNEL_RELEASE_SIZE - 1 && p[at + len] > ' ' &&
	        p[at + len] < 0x7f) {
		out[len] = (char)p[at + len];
		len++;
	}
	out[len] = 0;
}

int kernel_machine_payload(const uint8_t *p, size_t n, struct kernel_payload *out, struct err *e)
{
	uint64_t code, at, len;

	if (n < HEADER_END)
		return err_set(e, FCVM_EX_DATA, "truncated: the bzImage header ends early");
	if (kernel_le16(p + PROTOCOL) < PROTOCOL_PAYLOAD)
		return err_set(e, FCVM_EX_DATA,
		        "a bzImage of boot protocol %u.%02u: too old, 2.08 or later is needed",
		        p[PROTOCOL + 1], p[PROTOCOL]);
	/* 0 stands for 4 sectors; one more is the boot sector itself */
	code = (uint64_t)(p[SETUP_SECTS] ? p[SETUP_SECTS] + 1 : 5) * 512;
	at = code + kernel_le32(p + PAYLOAD_OFFSET);
	len = kernel_le32(p + PAYLOAD_LENGTH);
	if (len == 0)
		return err_set(e, FCVM_EX_DATA, "the bzImage header names no payload");
	if (at > n || len > n - at)
		return err_set(e, FCVM_EX_DATA,
		        "truncated: the bzImage payload would end at byte %llu, the file at %zu",
		        (unsigned long long)(at + len), n);
	out->at = (size_t)at;
	out->n = (size_t)len;
	read_release(p, n, out->release);
	return 0;
}
