/* SPDX-License-Identifier: MIT */
#include "fakefc.h"
#include "strv.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static const char *text(const json_t *o, const char *key)
{
	return json_string_value(json_object_get(o, key));
}

int fake_bind_vsock(struct fake *f, const char *path, char **why)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};

	if (strlen(path) >= sizeof at.sun_path) {
		*why = xstrdup("Cannot create backend for vsock device: path must be shorter than "
		               "SUN_LEN");
		return 400;
	}
	strcpy(at.sun_path, path);
	f->vsock_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (f->vsock_fd < 0 || bind(f->vsock_fd, (struct sockaddr *)&at, sizeof at) < 0 ||
	        listen(f->vsock_fd, 10) < 0) {
		*why = xasprintf(
		        "Cannot create backend for vsock device: UnixBind(%s)", strerror(errno));
		return 400;
	}
	free(f->vsock);
	f->vsock = xstrdup(path);
	return 204;
}

int fake_create(struct fake *f, const json_t *o, char **why)
{
	const char *type = text(o, "snapshot_type");
	json_t *state;
	int fd, r;

	if (f->phase != PAUSED) {
		*why = xstrdup("Create snapshot error: save/restore unavailable while running");
		return 400;
	}
	if (type && strcmp(type, "Full") != 0 && strcmp(type, "Diff") != 0) {
		*why = xstrdup("unknown variant of snapshot_type");
		return 400;
	}
	/* The reset is in the guest's queue from here on, whatever comes of the rest. */
	if (f->guest > 0)
		kill(f->guest, SIGUSR1);
	if (fake_memory_write(text(o, "mem_file_path"), f->mem_mib, why) < 0)
		return 400;
	state = json_pack("{s:s, s:i, s:O, s:O, s:s?, s:i}", "magic", "fakefc", "mib",
	        (int)f->mem_mib, "drives", f->drives, "nets", f->nets, "vsock", f->vsock, "guest",
	        *f->guest_state);
	fd = open(text(o, "snapshot_path"), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	r = fd < 0 ? -1 : json_dumpfd(state, fd, 0);
	if (fd >= 0)
		close(fd);
	json_decref(state);
	if (r < 0)
		*why = xasprintf("Cannot create snapshot: %s", strerror(errno));
	return r < 0 ? 400 : 204;
}

static int memory(const json_t *backend, long mib, char **why)
{
	const char *type = text(backend, "backend_type"), *path = text(backend, "backend_path");

	if (type && path && !strcmp(type, "File"))
		return fake_memory_map(path, mib, why);
	if (type && path && !strcmp(type, "Uffd"))
		return fake_memory_page(path, mib, why);
	*why = xstrdup("unknown variant of backend_type");
	return -1;
}

static const char *drives_problem(const json_t *state)
{
	const char *id;
	json_t *d;

	json_object_foreach(json_object_get(state, "drives"), id, d)
	{
		bool ro = json_is_true(json_object_get(d, "is_read_only"));

		if (access(text(d, "path_on_host"), ro ? R_OK : R_OK | W_OK) < 0)
			return "Failed to restore devices: Block: BackingFile";
	}
	return NULL;
}

static const char *overrides_problem(const json_t *o, const json_t *state)
{
	const json_t *list = json_object_get(o, "network_overrides");

	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *v = json_array_get(list, i);
		const char *id = text(v, "iface_id");

		if (!id || !text(v, "host_dev_name") ||
		        !json_object_get(json_object_get(state, "nets"), id))
			return "Unknown network interface";
	}
	return NULL;
}

/* Each device, by its name of now. */
static int attach(const json_t *o, const json_t *state, char **why)
{
	const json_t *list = json_object_get(o, "network_overrides");
	const char *id;
	json_t *net;

	json_object_foreach(json_object_get(state, "nets"), id, net)
	{
		const char *name = text(net, "host_dev_name");

		for (size_t i = 0; i < json_array_size(list); i++)
			if (!strcmp(text(json_array_get(list, i), "iface_id"), id))
				name = text(json_array_get(list, i), "host_dev_name");
		json_object_set_new(net, "host_dev_name", json_string(name));
		if (fake_tap(name, why) < 0)
			return -1;
	}
	return 0;
}

static int load(struct fake *f, const json_t *o, const json_t *state, char **why)
{
	const char *magic = text(state, "magic"), *problem = NULL;
	const char *vsock = text(json_object_get(o, "vsock_override"), "uds_path");
	char *reason = NULL;

	f->mem_mib = (long)json_integer_value(json_object_get(state, "mib"));
	if (!magic || strcmp(magic, "fakefc") != 0)
		problem = "Failed to get snapshot state from file: invalid magic";
	else if (memory(json_object_get(o, "mem_backend"), f->mem_mib, &reason) < 0)
		problem = reason;
	else if (!(problem = drives_problem(state)))
		problem = overrides_problem(o, state);
	if (problem) {
		*why = xasprintf("Load snapshot error: %s", problem);
		free(reason);
		return 400;
	}
	if (attach(o, state, why) < 0) {
		problem = *why;
		*why = xasprintf("Load snapshot error: %s", problem);
		free((char *)(uintptr_t)problem);
		return 400;
	}
	if (!vsock)
		vsock = text(state, "vsock");
	if (!vsock || fake_bind_vsock(f, vsock, why) == 204)
		return 204;
	problem = *why;
	*why = xasprintf("Load snapshot error: %s", problem);
	free((char *)(uintptr_t)problem);
	return 400;
}

int fake_load(struct fake *f, const json_t *o, char **why)
{
	json_t *state;
	json_int_t guest;
	int status;

	if (f->configured) {
		*why = xstrdup(
		        "Loading a microVM snapshot not allowed after configuring boot-specific "
		        "resources.");
		return 400;
	}
	if (!json_object_get(o, "mem_backend") == !json_object_get(o, "mem_file_path")) {
		*why = xstrdup(
		        "missing field: either `mem_backend` or `mem_file_path` is required");
		return 400;
	}
	state = json_load_file(text(o, "snapshot_path"), 0, NULL);
	guest = json_integer_value(json_object_get(state, "guest"));
	status = load(f, o, state, why);
	if (status == 204) { /* for the next save */
		json_object_update(f->drives, json_object_get(state, "drives"));
		json_object_update(f->nets, json_object_get(state, "nets"));
	}
	json_decref(state);
	f->over = status == 400;
	if (status == 400)
		return status;
	*f->guest_state = (int)guest;
	f->phase = json_is_true(json_object_get(o, "resume_vm")) ? RUNNING : PAUSED;
	f->guest = fake_guest_start(f->vsock, f->guest_state);
	return 204;
}
