/* SPDX-License-Identifier: MIT
 * What fcvm-kernel tells: of a file, and of the kernels in the store. */
#ifndef FCVM_KERNEL_REPORT_H
#define FCVM_KERNEL_REPORT_H

#include "err.h"

#include <jansson.h>

/* New references, or NULL with e filled. */
json_t *kernel_inspect(const char *file, const char *member, struct err *e);
json_t *kernel_list(struct err *e); /* {"kernels": […]}, by release, then key */

/* The same for people, on stdout. */
void kernel_print_inspect(const json_t *report);
void kernel_print_list(const json_t *list);

#endif
