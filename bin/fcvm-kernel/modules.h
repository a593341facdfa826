/* SPDX-License-Identifier: MIT
 * The modules of one kernel: which there are, what each needs, and the order to load the wanted
 * ones in. Of several with one name, that in updates/ counts, else the first by path. Names have
 * '_' where file names may have '-', as the kernel itself has it. */
#ifndef FCVM_KERNEL_MODULES_H
#define FCVM_KERNEL_MODULES_H

#include "bytes.h"
#include "err.h"
#include "strv.h"

#include <stdbool.h>

#define KERNEL_MODULES_MAX 99 /* loaded ones: two digits in their file names */

/* What a guest needs, in loading order; "?" marks what may be missing. */
#define KERNEL_MODULES_WANTED                                                                     \
	"virtio_mmio virtio_blk virtio_console virtio_rng failover? net_failover? virtio_net "    \
	"fuse overlay squashfs crc32c_generic? ext4 vmw_vsock_virtio_transport? virtio_balloon? " \
	"inet_diag? tcp_diag?"

struct kmod {
	char *name;
	char *path;               /* where its source has it */
	char *depends;            /* names separated by commas; NULL: not known yet */
	struct kernel_bytes data; /* as found, perhaps still compressed; p NULL: not loaded */
	enum { KMOD_NEW, KMOD_OPEN, KMOD_DONE } state;
};

struct kmodset {
	struct kmod *v;
	size_t n, cap;
	size_t text;         /* bytes of paths and dependencies, which have a limit */
	struct strv builtin; /* names */
	bool sorted;
	bool have_builtin; /* a modules.builtin was there */
};

/* Loads m->data for a module whose `depends` is needed. */
struct kmod_loader {
	int (*load)(void *ctx, struct kmod *m, struct err *e);
	void *ctx;
};

/* The chosen modules in loading order; pointers into the set. */
struct kmodlist {
	struct kmod *v[KERNEL_MODULES_MAX];
	size_t n;
};

/* "kernel/drivers/char/hw_random/virtio-rng.ko.xz" → "virtio_rng" (the caller frees); NULL if the
 * path is no module's. */
char *kmod_name(const char *path);

/* Adds a module and returns it, valid until the next one is added; NULL at a limit, with e. */
struct kmod *kmodset_add(struct kmodset *s, const char *path, struct err *e);

/* Gives the module of the set what it needs (names separated by commas; ownership passes). 0, or
 * -1 with e filled at a limit. */
int kmodset_depends(struct kmodset *s, struct kmod *m, char *depends, struct err *e);

/* Takes the text of a modules.builtin or a modules.dep. The latter after all modules were added:
 * lines about others are ignored. */
void kmodset_builtin(struct kmodset *s, char *text);
void kmodset_dep(struct kmodset *s, char *text);

/* Resolves the wanted names (separated by spaces or commas). 0, or -1 with e filled when a module
 * is missing that is neither optional nor built in (FCVM_EX_DATA). */
int kmodset_resolve(struct kmodset *s, const char *wanted, const struct kmod_loader *loader,
        struct kmodlist *out, struct err *e);

void kmodset_free(struct kmodset *s);
#define auto_kmodset __attribute__((cleanup(kmodset_free)))

#endif
