/* SPDX-License-Identifier: MIT
 * What is particular to the machine that guests run on. One implementation per architecture, in a
 * file of its name; the rest of this program does not know which. */
#ifndef FCVM_KERNEL_MACHINE_H
#define FCVM_KERNEL_MACHINE_H

#include "elf64.h"

#define KERNEL_RELEASE_SIZE 128

/* "x86_64" */
const char *kernel_machine_name(void);

/* Whether the ELF header says this machine; -1 with e filled names the other one. */
int kernel_machine_check(const struct kernel_elf *elf, struct err *e);

/* Whether a hypervisor can start this ELF kernel directly, without firmware or boot loader. */
bool kernel_machine_direct(const struct kernel_elf *elf);

/* Compressed kernel images with a boot header of their own. */
struct kernel_payload {
	size_t at, n;                      /* where in the file */
	char release[KERNEL_RELEASE_SIZE]; /* empty if the header does not tell */
};
bool kernel_machine_is_image(const uint8_t *p, size_t n);
/* -1 with e filled (FCVM_EX_DATA) when the header lies or the file is too short for it. */
int kernel_machine_payload(const uint8_t *p, size_t n, struct kernel_payload *out, struct err *e);

#endif
