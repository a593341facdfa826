/* SPDX-License-Identifier: MIT
 * A bounded view of a 64-bit little-endian ELF file in memory (System V ABI). Nothing is copied:
 * the view is valid while the bytes are. */
#ifndef FCVM_KERNEL_ELF64_H
#define FCVM_KERNEL_ELF64_H

#include "err.h"

#include <elf.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct kernel_elf {
	const uint8_t *p;
	size_t n;
	Elf64_Ehdr head;
	size_t end; /* the last byte that a header accounts for, plus one */
};

bool kernel_elf_is(const uint8_t *p, size_t n);

/* Checks that header, both tables and everything they point at lie inside the n bytes. -1 with e
 * filled (FCVM_EX_DATA), saying "truncated" where that is what it looks like. */
int kernel_elf_open(const uint8_t *p, size_t n, struct kernel_elf *elf, struct err *e);

/* i < head.e_phnum, i < head.e_shnum. */
Elf64_Phdr kernel_elf_segment(const struct kernel_elf *elf, size_t i);
Elf64_Shdr kernel_elf_section(const struct kernel_elf *elf, size_t i);

/* The contents of the section of this name; NULL if there is none. */
const uint8_t *kernel_elf_find(const struct kernel_elf *elf, const char *name, size_t *n);

/* Whether a PT_NOTE segment holds a note of this owner and type. */
bool kernel_elf_note(const struct kernel_elf *elf, const char *owner, uint32_t type);

#endif
