/* SPDX-License-Identifier: MIT
 * From the kernel's hand-over to a machine that can hold a container. */
#ifndef FCVM_EARLY_H
#define FCVM_EARLY_H

#include "err.h"

#include <stdbool.h>

/* Mounts /proc, /sys, /dev on a tmpfs root (pivot_root(2) needs a root that is a mount, which the
 * initramfs is not) and loads the kernel modules that the devices present call for. */
int early_mounts(struct err *e);
int early_modules(struct err *e);
/* Loopback up, cgroups, the agent safe from the out-of-memory killer. */
int early_system(struct err *e);

/* Starts the processors that the kernel has left alone (maxcpus=1): see the host's qemu.c. */
int early_processors(struct err *e);

/* The virtio port of this name, opened read-write and non-blocking; -1 with e filled. */
int early_port(const char *name, struct err *e);

#define EARLY_SCRATCH "/scratch" /* where the scratch disk is mounted */

/* /dev/vda (squashfs) under /dev/vdb (ext4) as one overlay at STAGE_ROOTFS. *present tells whether
 * there is an image disk at all. */
int early_rootfs(bool *present, struct err *e);

/* With "fcvm.strace": the initrd's strace(1) on this process, writing to the console. */
void early_strace(void);

/* Whether the kernel command line holds this word. */
bool early_option(const char *word);

#endif
