/* SPDX-License-Identifier: MIT
 * Save and restore. A process that runs can be given no more descriptors, so it opens the files to
 * write by those of this process; in a jail they are mounted for it. */
#include "cleanup.h"
#include "dirs.h"
#include "firecracker_own.h"
#include "firecracker_ports.h"
#include "firecracker_requests.h"
#include "json.h"
#include "status.h"
#include "strv.h"

#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static void name_of(const struct firecracker *f, int fd, int in_jail, char *out, size_t size)
{
	if (f->jail.uid)
		snprintf(out, size, FC_FD_PATH, in_jail);
	else
		snprintf(out, size, "/proc/%d/fd/%d", (int)getpid(), fd);
}

/* Once a save is asked for the guest's connections are reset, whatever becomes of it. */
int fc_vmm_save(struct vmm *v, int state, int memory, struct err *e)
{
	struct firecracker *f = v->own;
	char state_path[48], memory_path[48];
	int r;

	if (fc_pause(&f->api, e) < 0)
		return -1;
	if (f->jail.uid && fc_jail_lend(&f->jail, &v->proc, state, memory, e) < 0)
		return -1;
	name_of(f, state, FC_NAME_STATE, state_path, sizeof state_path);
	name_of(f, memory, FC_NAME_MEMORY, memory_path, sizeof memory_path);
	v->reset = true;
	r = fc_create(&f->api, state_path, memory_path, v->memory_size, e);
	if (f->jail.uid && fc_jail_take_back(&v->proc, state, memory, r < 0 ? NULL : e) < 0)
		r = -1;
	return r < 0 ? -1 : vmm_dig_holes(memory, e);
}

/* Whoever has connected before the guest stopped is not the agent that will do so now. */
int fc_vmm_go_on(struct vmm *v, struct err *e)
{
	struct firecracker *f = v->own;
	int fd;

	while (v->reset && (fd = fc_accept(v->listen)) >= 0)
		close(fd);
	return fc_resume(&f->api, e);
}

/* A server of another memory would give the guest that. */
static int check_pager(const char *pager, int memory, struct err *e)
{
	auto_free char *program = dirs_program("mem"), *text = NULL;
	char *argv[] = {program, (char *)"stat", (char *)"--socket", (char *)(uintptr_t)pager,
	        (char *)"--json", NULL};
	auto_json json_t *doc = NULL;
	struct stat st;

	if (fstat(memory, &st) < 0)
		return err_sys(e, "cannot read the memory's attributes");
	if (proc_output(argv, 1 << 20, &text, e) < 0)
		return err_prefix(e, "FCVM_PAGER");
	doc = json_parse(text, strlen(text), "the server's answer", e);
	if (!doc)
		return err_prefix(e, "FCVM_PAGER");
	if (json_integer_value(json_object_get(doc, "device")) == (json_int_t)st.st_dev &&
	        json_integer_value(json_object_get(doc, "inode")) == (json_int_t)st.st_ino)
		return 0;
	return err_set(e, FCVM_EX_FAIL,
	        "FCVM_PAGER: the server at %s serves the memory of another machine: %s", pager,
	        json_string_value(json_object_get(doc, "memory")));
}

/* The socket under a name of ours, which is short. In a jail it is mounted there. */
static int name_pager(struct firecracker *f, struct vmm *v, const char *pager, struct err *e)
{
	auto_free char *path = realpath(pager, NULL);

	if (!path || (!f->jail.uid && symlinkat(path, f->dir, FC_PAGER_NAME) < 0))
		return err_sys(e, "cannot name the server at %s", pager);
	/* It is what is left to say should the server's end be this process's. */
	dprintf(v->log, "its memory was served by fcvm-mem at %s\n", path);
	return 0;
}

int fc_vmm_load(struct firecracker *f, struct vmm *v, const struct vmm_config *c, struct err *e)
{
	char state[48], memory[48], pager[64], vsock[64];
	struct fc_restore r = {.state = state, .memory = memory};
	const struct fc_version *version = &f->api.version;

	snprintf(state, sizeof state, FC_FD_PATH, FC_FD_STATE);
	snprintf(memory, sizeof memory, FC_FD_PATH, FC_FD_MEMORY);
	snprintf(vsock, sizeof vsock, FC_FD_PATH "/" FC_VSOCK_NAME, FC_FD_DIR);
	snprintf(pager, sizeof pager, FC_FD_PATH "/" FC_PAGER_NAME, FC_FD_DIR);
	if (c->pager) {
		if (check_pager(c->pager, c->memory_file, e) < 0 ||
		        name_pager(f, v, c->pager, e) < 0)
			return -1;
		r.pager = pager;
		r.memory = NULL;
	}
	/* All are what they were, but where it can be said it is. */
	if (f->tap.fd >= 0 && fc_version_has(version, 1, 12))
		r.tap = f->tap.device.ifr_name;
	if (fc_version_has(version, 1, 16))
		r.vsock = vsock;
	return fc_restore(&f->api, &r, e);
}
