/* SPDX-License-Identifier: MIT
 * What fcvm-setup(1) wrote about imported kernels: which one VMs use (setup.json), and which
 * profiles they came from (origins/). */
#ifndef FCVM_KERNEL_ORIGINS_H
#define FCVM_KERNEL_ORIGINS_H

#include <jansson.h>

/* A new reference to [{"file", "kernel", "profile"}], by file name; what is malformed is left out.
 */
json_t *kernel_origins(void);

/* The names of the profiles that gave this kernel: a new array of strings, each once. */
json_t *kernel_profiles_of(const json_t *origins, const char *key);

/* The key of the kernel that VMs use (the caller frees), or NULL. */
char *kernel_in_use(void);

/* Forgets where a kernel came from. */
void kernel_origins_forget(const json_t *origins, const char *key);

#endif
