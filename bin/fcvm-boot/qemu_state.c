/* SPDX-License-Identifier: MIT */
#include "qemu_state.h"
#include "arch.h"
#include "cleanup.h"
#include "json.h"
#include "qmp.h"
#include "status.h"
#include "strv.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#define PATIENCE_MS    60000 /* a machine so busy that it takes longer is of no use */
#define STATE_SET      100   /* descriptor set; those below are disks */
#define STATE_SET_TEXT "100"

char *qemu_identity(struct err *e)
{
	auto_free char *program = vmm_program_identity(arch_qemu, e);

	return program ? xasprintf("%s %s", program, arch_machine) : NULL;
}

/* Commands are taken after this one, which may come once. */
static int negotiate(struct vmm *v, struct qmp *q, struct err *e)
{
	if (v->monitor_ready)
		return 0;
	if (qmp_simple(q, "qmp_capabilities", e) < 0)
		return -1;
	v->monitor_ready = true;
	return 0;
}

/* A command whose reply says no more than that it was done. */
static int command(struct qmp *q, json_t *text, int fd, struct err *e)
{
	json_t *value = qmp_send(q, text, fd, e) < 0 ? NULL : qmp_reply(q, e);

	json_decref(value);
	return value ? 0 : -1;
}

/* What is meant for Xen writes devices without memory whatever the memory is; not being "live"
 * leaves the disks to this machine. The set is taken by the mode of its descriptor. */
static int save(struct vmm *v, struct qmp *q, int state, struct err *e)
{
	if (negotiate(v, q, e) < 0 || qmp_simple(q, "stop", e) < 0 ||
	        command(q,
	                json_pack("{s:s, s:{s:i}}", "execute", "add-fd", "arguments", "fdset-id",
	                        STATE_SET),
	                state, e) < 0 ||
	        command(q,
	                json_pack("{s:s, s:{s:s+, s:b}}", "execute", "xen-save-devices-state",
	                        "arguments", "filename", "/dev/fdset/", STATE_SET_TEXT, "live", 0),
	                -1, e) < 0)
		return -1;
	return command(q,
	        json_pack("{s:s, s:{s:i}}", "execute", "remove-fd", "arguments", "fdset-id",
	                STATE_SET),
	        -1, e);
}

int qemu_save(struct vmm *v, int state, int memory, struct err *e)
{
	char path[40];
	auto_fd int out = -1;
	struct qmp q;
	int r;

	snprintf(path, sizeof path, "/proc/self/fd/%d", state);
	out = open(path, O_WRONLY | O_CLOEXEC);
	if (out < 0)
		return err_sys(e, "cannot write the machine's state");
	qmp_init(&q, v->monitor, PATIENCE_MS);
	r = save(v, &q, out, e);
	qmp_free(&q);
	return r < 0 ? -1 : vmm_copy_memory(v, memory, e);
}

static int simple(struct vmm *v, const char *name, struct err *e)
{
	struct qmp q;
	int r;

	qmp_init(&q, v->monitor, PATIENCE_MS);
	r = negotiate(v, &q, e) < 0 ? -1 : qmp_simple(&q, name, e);
	qmp_free(&q);
	return r;
}

int qemu_go_on(struct vmm *v, struct err *e)
{
	return simple(v, "cont", e);
}

int qemu_stop(struct vmm *v, struct err *e)
{
	return simple(v, "stop", e);
}

/* All that it needs to hear is said at once: none of it depends on an answer. */
static int load(struct qmp *q, int state, struct err *e)
{
	auto_free char *uri = xasprintf("fd:%d", state);
	auto_json json_t *resumed = NULL;

	if (qmp_send(q, json_pack("{s:s}", "execute", "qmp_capabilities"), -1, e) < 0 ||
	        qmp_send(q,
	                json_pack("{s:s, s:{s:s}}", "execute", "migrate-incoming", "arguments",
	                        "uri", uri),
	                -1, e) < 0)
		return -1;
	resumed = qmp_event(q, "RESUME", e);
	return resumed ? 0 : -1;
}

int qemu_load(struct vmm *v, int state, struct err *e)
{
	char said[300];
	struct qmp q;
	int r;

	qmp_init(&q, v->monitor, PATIENCE_MS);
	r = load(&q, state, e);
	qmp_free(&q);
	v->monitor_ready = r == 0;
	if (r == 0)
		return 0;
	proc_kill(&v->proc, SIGKILL);
	proc_wait(&v->proc);
	proc_last_line(v->log, said, sizeof said);
	return *said ? err_set(e, FCVM_EX_FAIL, "%s: %s", arch_qemu, said) : -1;
}
