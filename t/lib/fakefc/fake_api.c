/* SPDX-License-Identifier: MIT */
#include "fakefc.h"
#include "strv.h"

#include <ctype.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CMDLINE_MAX 2048
#define DEVICES_MAX 17

static const char *text(const json_t *o, const char *key)
{
	return json_string_value(json_object_get(o, key));
}

static bool opens(const char *path, int flags)
{
	int fd = path ? open(path, flags | O_CLOEXEC) : -1;

	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

static int no(char **why, const char *reason)
{
	if (!*why)
		*why = xstrdup(reason);
	return 400;
}

static int machine_config(struct fake *f, const json_t *o, char **why)
{
	json_int_t cpus = json_integer_value(json_object_get(o, "vcpu_count"));

	f->mem_mib = (long)json_integer_value(json_object_get(o, "mem_size_mib"));
	if (cpus < 1 || cpus > 32)
		return no(why, "The vCPU number is invalid!");
	return f->mem_mib < 1 ? no(why, "The memory size (MiB) is invalid.") : 204;
}

static int balloon(struct fake *f, const json_t *o, char **why)
{
	json_int_t mib = json_integer_value(json_object_get(o, "amount_mib"));

	return mib < 0 || mib > (f->mem_mib ? f->mem_mib : 128)
	               ? no(why, "The balloon takes more memory than the machine has.")
	               : 204;
}

static int boot_source(struct fake *f, const json_t *o, char **why)
{
	const char *kernel = text(o, "kernel_image_path"), *args = text(o, "boot_args");
	char magic[4] = "";
	int fd = open(kernel, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, magic, 4);

	if (fd >= 0)
		close(fd);
	if (n != 4)
		return no(why, "The kernel file cannot be opened");
	if (memcmp(magic, "\177ELF", 4) != 0)
		return no(why, "Kernel Loader: Invalid Elf magic number");
	if (text(o, "initrd_path") && !opens(text(o, "initrd_path"), O_RDONLY))
		return no(why, "The initrd file cannot be opened");
	free(f->args);
	f->args = xstrdup(args ? args : "");
	f->kernel = true;
	return strlen(f->args) > CMDLINE_MAX ? no(why, "The kernel command line is too large")
	                                     : 204;
}

static int drive(struct fake *f, const json_t *o, char **why)
{
	bool ro = json_is_true(json_object_get(o, "is_read_only"));
	const char *cache = text(o, "cache_type");

	if (!opens(text(o, "path_on_host"), ro ? O_RDONLY : O_RDWR))
		return no(why, "Unable to create the block device: BackingFile");
	if (cache && strcmp(cache, "Unsafe") != 0 && strcmp(cache, "Writeback") != 0)
		return no(why, "unknown variant of cache_type");
	json_object_set(f->drives, text(o, "drive_id"), (json_t *)(uintptr_t)o);
	return 204;
}

static int net(struct fake *f, const json_t *o, char **why)
{
	const char *mac = text(o, "guest_mac"), *dev = text(o, "host_dev_name");

	if (!*dev || strlen(dev) > 15)
		return no(why, "Open tap device failed: invalid interface name");
	for (size_t i = 0; mac && i < 18; i++)
		if (i == 17          ? mac[i] != 0
		        : i % 3 == 2 ? mac[i] != ':'
		                     : !isxdigit((unsigned char)mac[i]))
			return no(why, "invalid MAC address");
	json_object_set(f->nets, text(o, "iface_id"), (json_t *)(uintptr_t)o);
	return fake_tap(dev, why) < 0 ? 400 : 204;
}

static int vsock(struct fake *f, const json_t *o, char **why)
{
	if (json_integer_value(json_object_get(o, "guest_cid")) < 3)
		return no(why, "guest_cid is reserved");
	return fake_bind_vsock(f, text(o, "uds_path"), why);
}

static int accepted(struct fake *f, const json_t *o, char **why)
{
	(void)f, (void)o, (void)why;
	return 204;
}

static int begin(struct fake *f, char **why)
{
	int n = f->devices + (int)json_object_size(f->drives) + (int)json_object_size(f->nets) +
	        (f->vsock != NULL);

	if (!f->kernel)
		return no(why, "Cannot start microvm without kernel configuration.");
	if (n > DEVICES_MAX)
		return no(why, "Could not allocate GSI");
	if (strlen(f->args) + 10 + 35 * (size_t)n > CMDLINE_MAX)
		return no(why, "The kernel command line is too large");
	f->phase = RUNNING;
	f->guest = fake_guest_start(f->vsock, f->guest_state);
	return 204;
}

static int action(struct fake *f, const json_t *o, char **why)
{
	const char *type = text(o, "action_type");

	if (!strcmp(type, "InstanceStart"))
		return f->phase == PREBOOT ? begin(f, why)
		                           : no(why, "The requested operation is not supported "
		                                     "after starting the microVM.");
	if (!strcmp(type, "FlushMetrics") || !strcmp(type, "SendCtrlAltDel"))
		return f->phase != PREBOOT ? 204
		                           : no(why, "The requested operation is not supported "
		                                     "before starting the microVM.");
	return no(why, "unknown variant of action_type");
}

static int vm_state(struct fake *f, const json_t *o, char **why)
{
	const char *state = text(o, "state");
	bool pause = !strcmp(state, "Paused");

	if (!pause && strcmp(state, "Resumed") != 0)
		return no(why, "unknown variant of state");
	f->phase = pause ? PAUSED : RUNNING;
	if (f->guest > 0)
		kill(f->guest, pause ? SIGSTOP : SIGCONT);
	return 204;
}

enum when { BEFORE = 1, AFTER = 2, ALWAYS = 3 };

static const struct route {
	const char *method,
	        *path; /* ends with '/': an id follows, which is in the field `id`, too */
	const char *id;
	enum when when;
	bool configures; /* a snapshot can no longer be loaded */
	const char *fields;
	int (*fn)(struct fake *f, const json_t *o, char **why);
} routes[] = {
        {"PUT", "/machine-config", NULL, BEFORE, true,
                "vcpu_count:i! mem_size_mib:i! smt:b track_dirty_pages:b huge_pages:s "
                "cpu_template:s",
                machine_config},
        {"PUT", "/boot-source", NULL, BEFORE, true,
                "kernel_image_path:s! initrd_path:s boot_args:s", boot_source},
        {"PUT", "/drives/", "drive_id", BEFORE, true,
                "drive_id:s! is_root_device:b! path_on_host:s! partuuid:s is_read_only:b "
                "cache_type:s rate_limiter:o io_engine:s socket:s",
                drive},
        {"PUT", "/network-interfaces/", "iface_id", BEFORE, true,
                "iface_id:s! host_dev_name:s! guest_mac:s mtu:i@16 rx_rate_limiter:o "
                "tx_rate_limiter:o",
                net},
        {"PUT", "/vsock", NULL, BEFORE, true, "guest_cid:i! uds_path:s! vsock_id:s", vsock},
        {"PUT", "/entropy", NULL, BEFORE, true, "rate_limiter:o", accepted},
        {"PUT", "/balloon", NULL, BEFORE, true,
                "amount_mib:i! deflate_on_oom:b! stats_polling_interval_s:i "
                "free_page_hinting:b@14 free_page_reporting:b@14",
                balloon},
        {"PUT", "/serial", NULL, BEFORE, false, "serial_out_path:s@14 rate_limiter:o@16", accepted},
        {"PUT", "/logger", NULL, BEFORE, false,
                "log_path:s level:s show_level:b show_log_origin:b module:s", accepted},
        {"PUT", "/actions", NULL, ALWAYS, false, "action_type:s!", action},
        {"PATCH", "/vm", NULL, AFTER, false, "state:s!", vm_state},
        {"PUT", "/snapshot/create", NULL, AFTER, false,
                "snapshot_path:s! mem_file_path:s! snapshot_type:s", fake_create},
        {"PUT", "/snapshot/load", NULL, BEFORE, false,
                "snapshot_path:s! mem_backend:o mem_file_path:s track_dirty_pages:b "
                "enable_diff_snapshots:b resume_vm:b network_overrides:a@12 vsock_override:o@16 "
                "clock_realtime:b@16",
                fake_load},
};

static bool fits(const struct route *r, const char *method, const char *path)
{
	size_t n = strlen(r->path);

	return !strcmp(r->method, method) &&
	       (r->id ? !strncmp(path, r->path, n) && path[n] : !strcmp(r->path, path));
}

static int go(struct fake *f, const struct route *r, const char *path, const json_t *o, char **why)
{
	const char *id = r->id ? path + strlen(r->path) : NULL;
	int status;

	*why = fake_fields(o, r->fields, f->minor);
	if (*why)
		return 400;
	if (id && (!fake_id_good(id) || strcmp(id, text(o, r->id)) != 0))
		return no(why, "The id from the path does not match the id from the body!");
	if (f->phase == PREBOOT ? !(r->when & BEFORE) : !(r->when & AFTER))
		return no(why, f->phase == PREBOOT
		                       ? "The requested operation is not supported before "
		                         "starting the microVM."
		                       : "The requested operation is not supported after "
		                         "starting the microVM.");
	status = r->fn(f, o, why);
	if (status == 204 && r->configures)
		f->configured = true;
	if (status == 204 && (!strcmp(r->path, "/entropy") || !strcmp(r->path, "/balloon")))
		f->devices++;
	return status;
}

static int get(struct fake *f, const char *path, char **out)
{
	static const char *const states[] = {"Not started", "Running", "Paused"};
	const char *version = getenv("FAKEFC_VERSION");

	if (!version)
		version = "1.16.1";
	if (!strcmp(path, "/version"))
		*out = xasprintf("{\"firecracker_version\":\"%s\"}", version);
	else if (!strcmp(path, "/"))
		*out = xasprintf("{\"id\":\"fcvm\",\"state\":\"%s\",\"vmm_version\":\"%s\","
		                 "\"app_name\":\"Firecracker\"}",
		        states[f->phase], version);
	return *out ? 200 : 400;
}

int fake_request(struct fake *f, const char *method, const char *path, const char *body, size_t n,
        char **out)
{
	json_t *o = n ? json_loadb(body, n, JSON_REJECT_DUPLICATES, NULL) : NULL;
	char *why = NULL;
	int status = 400;

	*out = NULL;
	if (!strcmp(method, "GET") && !n) {
		status = get(f, path, out);
	} else if (!n) {
		no(&why, "Empty PUT request.");
	} else if (!o) {
		no(&why, "An error occurred when deserializing the json body of a request");
	} else {
		for (size_t i = 0; i < sizeof routes / sizeof *routes; i++)
			if (fits(&routes[i], method, path))
				status = go(f, &routes[i], path, o, &why);
	}
	if (status == 400) {
		json_t *fault = json_pack(
		        "{s:s}", "fault_message", why ? why : "Invalid request method and/or path");

		*out = json_dumps(fault, JSON_COMPACT);
		json_decref(fault);
	}
	free(why);
	json_decref(o);
	return status;
}
