/* SPDX-License-Identifier: MIT
 * A working set: the parts of a memory file that a machine needed, in the order in which it first
 * needed them. As a file it is text: the line "fcvm-workingset 1 SIZE", SIZE being the memory
 * file's, then a line "OFFSET LENGTH" for each part, all in bytes. */
#ifndef FCVM_MEM_ORDER_H
#define FCVM_MEM_ORDER_H

#include "err.h"

#include <stddef.h>
#include <stdint.h>

#define MEM_ORDER_MAX ((size_t)64 << 20) /* bytes of the file */

struct mem_run {
	uint64_t offset, length;
};

struct mem_order {
	struct mem_run *v;
	size_t n, room;
};

/* Joined to the last part where it goes on from there. 0, or -errno: there are too many parts. */
int mem_order_add(struct mem_order *o, uint64_t offset, uint64_t length);
void mem_order_free(struct mem_order *o);

/* Parts must be whole pages of 4 KiB inside of a memory file of `size` bytes. 0, or -1 with e
 * filled and o empty. */
int mem_order_parse(const char *text, size_t n, uint64_t size, struct mem_order *o, struct err *e);
int mem_order_load(const char *path, uint64_t size, struct mem_order *o, struct err *e);

/* Replaces the file as a whole: 0 or -errno. */
int mem_order_save(const char *path, uint64_t size, const struct mem_order *o);

#endif
