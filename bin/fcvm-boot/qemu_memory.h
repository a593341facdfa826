/* SPDX-License-Identifier: MIT
 * The file of a restored machine's memory, kept whole. Every machine of the state maps it, but
 * QEMU 7.2 opens it for writing, and makes holes in it for pages that its guest gives back
 * (system/physmem.c, ram_block_discard_range()). So the two system calls are answered here
 * (seccomp_unotify(2)): QEMU gets a descriptor that only reads, and is told that a hole in that is
 * made; what it does next, to drop its own copy of the pages (madvise(2)), is all that there is to
 * do. */
#ifndef FCVM_BOOT_QEMU_MEMORY_H
#define FCVM_BOOT_QEMU_MEMORY_H

#include "err.h"

#include <sys/types.h>

#define QEMU_MEMORY_PATH 40

struct qemu_memory {
	int file;                    /* of the memory; borrowed until qemu_memory_guard() returns */
	char path[QEMU_MEMORY_PATH]; /* what QEMU is told to open */
	int ours, theirs;            /* a socket pair; -1: not open */
};

/* 0, or -1 with e filled. qemu_memory_end() in any case. */
int qemu_memory_begin(struct qemu_memory *g, int file, const char *path, struct err *e);
/* In the process that becomes QEMU (proc_opts.prepare): 0, or -1 with errno set. */
int qemu_memory_prepare(void *g);
/* Then, in its parent: a thread answers QEMU, of process id `pid`, until that has ended. */
int qemu_memory_guard(const struct qemu_memory *g, pid_t pid, struct err *e);
void qemu_memory_end(struct qemu_memory *g);

#endif
