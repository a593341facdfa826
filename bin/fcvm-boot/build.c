/* SPDX-License-Identifier: MIT */
#include "build.h"
#include "cleanup.h"
#include "dirs.h"
#include "host.h"
#include "json.h"
#include "status.h"
#include "strv.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MEMORY_MIN ((json_int_t)96 << 20)
#define MEMORY_MAX ((json_int_t)1 << 44)
#define ROOTFS_MIN ((json_int_t)16 << 20)
#define CPUS_MAX   128

/* The machine part of a plan. */
struct shape {
	unsigned cpus;
	uint64_t memory, rootfs_size;
	const char *hypervisor, *accel; /* into the plan */
	bool jailer;
};

static int integer(const json_t *obj, const char *key, json_int_t min, json_int_t max,
        json_int_t *out, struct err *e)
{
	const json_t *v = json_object_get(obj, key);

	*out = json_integer_value(v);
	if (!json_is_integer(v) || *out < min || *out > max)
		return err_set(e, FCVM_EX_FAIL,
		        "the plan's machine.%s must be a number from %lld to %lld", key,
		        (long long)min, (long long)max);
	return 0;
}

static int read_shape(const json_t *plan, struct shape *s, struct err *e)
{
	const json_t *m = json_object_get(plan, "machine");
	json_int_t cpus, memory, rootfs;

	if (json_integer_value(json_object_get(plan, "fcvmPlan")) != 1)
		return err_set(e, FCVM_EX_FAIL, "this is not a plan of version 1");
	if (integer(m, "cpus", 1, CPUS_MAX, &cpus, e) < 0 ||
	        integer(m, "memory", MEMORY_MIN, MEMORY_MAX, &memory, e) < 0 ||
	        integer(m, "rootfsSize", ROOTFS_MIN, MEMORY_MAX, &rootfs, e) < 0)
		return -1;
	*s = (struct shape){.cpus = (unsigned)cpus,
	        .memory = (uint64_t)memory & ~(uint64_t)0xfffff,
	        .rootfs_size = (uint64_t)rootfs & ~(uint64_t)0xfff};
	s->hypervisor = json_string_value(json_object_get(m, "hypervisor"));
	s->accel = json_string_value(json_object_get(m, "accel"));
	s->jailer = json_is_true(json_object_get(m, "jailer"));
	return 0;
}

int build_check_accel(const char *accel, struct err *e)
{
	if (!strcmp(accel, "kvm") || !strcmp(accel, "tcg"))
		return 0;
	return err_set(e, FCVM_EX_FAIL, "--accel %s: not known: use kvm or tcg", accel);
}

json_t *build_kernel(const struct build *b, const struct run_opts *o)
{
	if (o->snapshot && !snapshot_is_disk(b->snapshot.meta))
		return json_object_get(json_object_get(b->snapshot.meta, "machine"), "kernel");
	return o->kernel ? NULL : b->assets.about;
}

void build_free(struct build *b)
{
	const int fds[] = {b->root, b->image_lock, b->scratch};

	for (size_t i = 0; i < sizeof fds / sizeof *fds; i++)
		if (fds[i] >= 0)
			close(fds[i]);
	snapshot_close(&b->snapshot);
	assets_free(&b->assets);
	free(b->append);
	free(b->data);
}

/* The image: of the snapshot, or as it is in the store. */
static int take_root(struct build *b, const struct run_opts *o, struct err *e)
{
	struct snapshots s;
	int r;

	if (!o->snapshot)
		return assets_image(o->image, &b->root, &b->image_lock, e);
	r = snapshots_open(&s, b->data, e);
	if (r == 0)
		r = snapshots_find(&s, o->snapshot, &b->snapshot, e);
	snapshots_close(&s);
	if (r == 0) {
		b->root = b->snapshot.files.root;
		b->snapshot.files.root = -1;
	} else {
		e->status = FCVM_EX_FAIL;
	}
	return r;
}

int build_read(
        const json_t *plan, const struct run_opts *o, int tap, struct build *b, struct err *e)
{
	const char *pager = getenv("FCVM_PAGER");
	struct assets *a = &b->assets;
	struct shape s = {0};

	*b = (struct build){.data = dirs_data(),
	        .root = -1,
	        .image_lock = -1,
	        .scratch = -1,
	        .snapshot = {.files = SNAPSHOT_FILES_NONE, .dir = -1}};
	if (read_shape(plan, &s, e) < 0 || host_check(s.cpus, s.memory, e) < 0 ||
	        assets_load(b->data, a, e) < 0)
		return -1;
	b->append = xasprintf("%s%s%s", a->append, *a->append && o->append ? " " : "",
	        o->append ? o->append : "");
	b->config = (struct vmm_config){.kernel = o->kernel ? o->kernel : a->kernel,
	        .initrd = o->initrd ? o->initrd : a->initrd,
	        .append = b->append,
	        .accel = o->accel              ? o->accel
	                 : s.accel && *s.accel ? s.accel
	                                       : a->accel,
	        .cpus = s.cpus,
	        .memory = s.memory,
	        .n_disks = 2,
	        .scratch_size = s.rootfs_size,
	        .pager = pager && *pager ? pager : NULL,
	        .jailed = s.jailer,
	        .dir = -1,
	        .tap = tap,
	        .memory_file = -1,
	        .state = -1};
	b->ops = vmm_find(s.hypervisor, b->config.accel, e);
	if (!b->ops || build_check_accel(b->config.accel, e) < 0 ||
	        vmm_can(b->ops, &b->config, e) < 0 || take_root(b, o, e) < 0)
		return -1;
	b->config.disks[0] = (struct vmm_disk){b->root, false};
	return 0;
}
