/* SPDX-License-Identifier: MIT */
#include "firecracker_requests.h"
#include "guest_net.h"
#include "cleanup.h"
#include "status.h"
#include "strv.h"

#include <stdio.h>
#include <string.h>

#define GUEST_CID  3
#define APPEND_MAX 1536 /* of 2048: the rest is for what is added for each device */
#define LOAD_MS    120000
#define SAVE_MS    30000
#define MIB_MS     50    /* to write and sync a MiB of the memory, at the slowest */
#define PAUSE_MS   40000 /* its own limit is 30 s */

/* The restart that ends the process, an interrupt controller that is not waited for, and the
 * kernel's self-tests left out. */
static const char append[] = "console=ttyS0 reboot=k panic=-1 quiet cryptomgr.notests "
                             "random.trust_cpu=on 8250.nr_uarts=1 i8042.noaux i8042.nomux "
                             "i8042.nopnp i8042.dumbkbd";

int fc_check_version(const struct fc_version *v, struct err *e)
{
	if (fc_version_has(v, FC_OLDEST_MAJOR, FC_OLDEST_MINOR))
		return 0;
	return err_set(e, FCVM_EX_FAIL, "firecracker %u.%u.%u is too old: %u.%u or newer is needed",
	        v->major, v->minor, v->patch, FC_OLDEST_MAJOR, FC_OLDEST_MINOR);
}

static int put(struct fc_api *a, const char *path, json_t *body, struct err *e)
{
	return fc_api_call(a, "PUT", path, body, NULL, e);
}

static int put_machine(struct fc_api *a, const struct vmm_config *c, struct err *e)
{
	if (c->cpus > FC_CPUS_MAX)
		return err_set(e, FCVM_EX_FAIL, "--cpus %u: firecracker gives a machine at most %d",
		        c->cpus, FC_CPUS_MAX);
	return put(a, "/machine-config",
	        json_pack("{s:i, s:I}", "vcpu_count", (int)c->cpus, "mem_size_mib",
	                (json_int_t)(c->memory >> 20)),
	        e);
}

static int put_kernel(struct fc_api *a, const struct vmm_config *c, struct err *e)
{
	auto_free char *args =
	        c->append && *c->append ? xasprintf("%s %s", append, c->append) : xstrdup(append);

	if (strlen(args) > APPEND_MAX)
		return err_set(e, FCVM_EX_FAIL,
		        "the kernel arguments are too long for firecracker: %zu bytes, at most %d",
		        strlen(args), APPEND_MAX);
	return put(a, "/boot-source",
	        json_pack("{s:s, s:s, s:s}", "kernel_image_path", c->kernel, "initrd_path",
	                c->initrd, "boot_args", args),
	        e);
}

/* None is the root device, because an initrd is in the way of that. Nothing of the scratch disk
 * outlives the machine, so that "Unsafe" is safe enough. */
static int put_disk(struct fc_api *a, const struct vmm_disk *d, size_t i, struct err *e)
{
	char id[32], path[48], file[48];

	snprintf(id, sizeof id, "disk%zu", i);
	snprintf(path, sizeof path, "/drives/%s", id);
	snprintf(file, sizeof file, FC_FD_PATH, FC_FD_DISK + (int)i);
	return put(a, path,
	        json_pack("{s:s, s:s, s:b, s:b, s:s}", "drive_id", id, "path_on_host", file,
	                "is_root_device", 0, "is_read_only", (int)!d->writable, "cache_type",
	                "Unsafe"),
	        e);
}

static int put_devices(struct fc_api *a, const char *tap, struct err *e)
{
	char vsock[64];

	snprintf(vsock, sizeof vsock, FC_FD_PATH "/" FC_VSOCK_NAME, FC_FD_DIR);
	if (tap && put(a, "/network-interfaces/net",
	                   json_pack("{s:s, s:s, s:s}", "iface_id", "net", "host_dev_name", tap,
	                           "guest_mac", GUEST_MAC),
	                   e) < 0)
		return -1;
	if (put(a, "/vsock", json_pack("{s:i, s:s}", "guest_cid", GUEST_CID, "uds_path", vsock),
	            e) < 0)
		return -1;
	if (put(a, "/entropy", json_object(), e) < 0)
		return -1;
	/* Never blown up: it is how the guest tells of pages that it does not use. */
	if (!fc_version_has(&a->version, 1, 14))
		return 0;
	return put(a, "/balloon",
	        json_pack("{s:i, s:b, s:b}", "amount_mib", 0, "deflate_on_oom", 1,
	                "free_page_reporting", 1),
	        e);
}

int fc_boot(struct fc_api *a, const struct vmm_config *c, const char *tap, struct err *e)
{
	if (put_machine(a, c, e) < 0 || put_kernel(a, c, e) < 0)
		return -1;
	for (size_t i = 0; i < c->n_disks; i++)
		if (put_disk(a, &c->disks[i], i, e) < 0)
			return -1;
	if (put_devices(a, tap, e) < 0)
		return -1;
	return put(a, "/actions", json_pack("{s:s}", "action_type", "InstanceStart"), e);
}

static int set_state(struct fc_api *a, const char *state, struct err *e)
{
	int was = a->timeout_ms, r;

	a->timeout_ms = PAUSE_MS;
	r = fc_api_call(a, "PATCH", "/vm", json_pack("{s:s}", "state", state), NULL, e);
	a->timeout_ms = was;
	return r;
}

int fc_resume(struct fc_api *a, struct err *e)
{
	return set_state(a, "Resumed", e);
}

int fc_pause(struct fc_api *a, struct err *e)
{
	return set_state(a, "Paused", e);
}

int fc_create(
        struct fc_api *a, const char *state, const char *memory, uint64_t bytes, struct err *e)
{
	int was = a->timeout_ms, r;

	a->timeout_ms = SAVE_MS + (int)(bytes >> 20) * MIB_MS;
	r = put(a, "/snapshot/create",
	        json_pack("{s:s, s:s, s:s}", "snapshot_type", "Full", "snapshot_path", state,
	                "mem_file_path", memory),
	        e);
	a->timeout_ms = was;
	return r;
}

static int need(const struct fc_api *a, unsigned minor, const char *what, struct err *e)
{
	if (fc_version_has(&a->version, 1, minor))
		return 0;
	return err_set(e, FCVM_EX_FAIL, "firecracker %u.%u.%u cannot %s: 1.%u or newer is needed",
	        a->version.major, a->version.minor, a->version.patch, what, minor);
}

/* A field that a release does not know is refused by it, so none is sent that is not needed. */
int fc_restore(struct fc_api *a, const struct fc_restore *r, struct err *e)
{
	json_t *body = json_pack("{s:s, s:{s:s, s:s}, s:b}", "snapshot_path", r->state,
	        "mem_backend", "backend_type", r->pager ? "Uffd" : "File", "backend_path",
	        r->pager ? r->pager : r->memory, "resume_vm", 1);
	int was = a->timeout_ms, got = 0;

	if (r->tap) {
		got = need(a, 12, "restore a machine with another network device", e);
		json_object_set_new(body, "network_overrides",
		        json_pack("[{s:s, s:s}]", "iface_id", "net", "host_dev_name", r->tap));
	}
	if (got == 0 && r->vsock) {
		got = need(a, 16, "restore a machine with another vsock path", e);
		json_object_set_new(
		        body, "vsock_override", json_pack("{s:s}", "uds_path", r->vsock));
	}
	if (got == 0 && r->clock_realtime) {
		got = need(a, 16, "step the clock of a machine that it restores", e);
		json_object_set_new(body, "clock_realtime", json_true());
	}
	if (got < 0) {
		json_decref(body);
		return -1;
	}
	a->timeout_ms = LOAD_MS;
	got = put(a, "/snapshot/load", body, e);
	a->timeout_ms = was;
	return got;
}
