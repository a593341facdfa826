/* SPDX-License-Identifier: MIT */
#include "elf64.h"
#include "status.h"

#include <string.h>

bool kernel_elf_is(const uint8_t *p, size_t n)
{
	return n >= SELFMAG && !memcmp(p, ELFMAG, SELFMAG);
}

Elf64_Phdr kernel_elf_segment(const struct kernel_elf *elf, size_t i)
{
	Elf64_Phdr h;

	memcpy(&h, elf->p + elf->head.e_phoff + i * sizeof h, sizeof h);
	return h;
}

Elf64_Shdr kernel_elf_section(const struct kernel_elf *elf, size_t i)
{
	Elf64_Shdr h;

	memcpy(&h, elf->p + elf->head.e_shoff + i * sizeof h, sizeof h);
	return h;
}

/* Accounts for a part of the file; -1 if it does not lie inside. */
static int part(struct kernel_elf *elf, uint64_t at, uint64_t n, const char *what, struct err *e)
{
	if (at > elf->n || n > elf->n - at)
		return err_set(e, FCVM_EX_DATA,
		        "truncated: its %s would end at byte %llu, the file at %zu", what,
		        (unsigned long long)(at + n), elf->n);
	if (at + n > elf->end)
		elf->end = (size_t)(at + n);
	return 0;
}

static int check_tables(struct kernel_elf *elf, struct err *e)
{
	const Elf64_Ehdr *h = &elf->head;

	if ((h->e_phnum && h->e_phentsize != sizeof(Elf64_Phdr)) ||
	        (h->e_shnum && h->e_shentsize != sizeof(Elf64_Shdr)))
		return err_set(e, FCVM_EX_DATA, "not a valid ELF file: odd header sizes");
	if (h->e_phnum && part(elf, h->e_phoff, (uint64_t)h->e_phnum * sizeof(Elf64_Phdr),
	                          "segment table", e) < 0)
		return -1;
	if (h->e_shnum && part(elf, h->e_shoff, (uint64_t)h->e_shnum * sizeof(Elf64_Shdr),
	                          "section table", e) < 0)
		return -1;
	for (size_t i = 0; i < h->e_phnum; i++) {
		Elf64_Phdr s = kernel_elf_segment(elf, i);

		if (part(elf, s.p_offset, s.p_filesz, "segment", e) < 0)
			return -1;
	}
	for (size_t i = 0; i < h->e_shnum; i++) {
		Elf64_Shdr s = kernel_elf_section(elf, i);

		if (s.sh_type != SHT_NOBITS && s.sh_type != SHT_NULL &&
		        part(elf, s.sh_offset, s.sh_size, "section", e) < 0)
			return -1;
	}
	return 0;
}

int kernel_elf_open(const uint8_t *p, size_t n, struct kernel_elf *elf, struct err *e)
{
	*elf = (struct kernel_elf){.p = p, .n = n, .end = sizeof elf->head};
	if (!kernel_elf_is(p, n))
		return err_set(e, FCVM_EX_DATA, "not an ELF file");
	if (n < sizeof elf->head)
		return err_set(e, FCVM_EX_DATA, "truncated: the ELF header ends early");
	memcpy(&elf->head, p, sizeof elf->head);
	if (elf->head.e_ident[EI_CLASS] != ELFCLASS64 || elf->head.e_ident[EI_DATA] != ELFDATA2LSB)
		return err_set(e, FCVM_EX_DATA, "not a 64-bit little-endian ELF file");
	return check_tables(elf, e);
}

const uint8_t *kernel_elf_find(const struct kernel_elf *elf, const char *name, size_t *n)
{
	size_t len = strlen(name) + 1;
	Elf64_Shdr names;

	if (elf->head.e_shstrndx >= elf->head.e_shnum)
		return NULL;
	names = kernel_elf_section(elf, elf->head.e_shstrndx);
	if (names.sh_type == SHT_NOBITS || names.sh_type == SHT_NULL)
		return NULL;
	for (size_t i = 0; i < elf->head.e_shnum; i++) {
		Elf64_Shdr s = kernel_elf_section(elf, i);

		if (s.sh_type == SHT_NOBITS || s.sh_type == SHT_NULL ||
		        s.sh_name >= names.sh_size || names.sh_size - s.sh_name < len ||
		        memcmp(elf->p + names.sh_offset + s.sh_name, name, len) != 0)
			continue;
		*n = s.sh_size;
		return elf->p + s.sh_offset;
	}
	return NULL;
}

static bool note_in(const uint8_t *p, size_t n, const char *owner, uint32_t type)
{
	size_t at = 0, owner_n = strlen(owner) + 1;

	while (n - at >= sizeof(Elf64_Nhdr)) {
		Elf64_Nhdr h;
		uint64_t name, desc;

		memcpy(&h, p + at, sizeof h);
		at += sizeof h;
		name = ((uint64_t)h.n_namesz + 3) & ~3ull;
		desc = ((uint64_t)h.n_descsz + 3) & ~3ull;
		if (name > n - at || desc > n - at - name)
			return false;
		if (h.n_type == type && h.n_namesz == owner_n && !memcmp(p + at, owner, owner_n))
			return true;
		at += name + desc;
	}
	return false;
}

bool kernel_elf_note(const struct kernel_elf *elf, const char *owner, uint32_t type)
{
	for (size_t i = 0; i < elf->head.e_phnum; i++) {
		Elf64_Phdr s = kernel_elf_segment(elf, i);

		if (s.p_type == PT_NOTE && note_in(elf->p + s.p_offset, s.p_filesz, owner, type))
			return true;
	}
	return false;
}
