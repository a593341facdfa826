/* SPDX-License-Identifier: MIT */
#include "qemu_state.h"
#include "arch.h"
#include "cleanup.h"
#include "json.h"
#include "qmp.h"
#include "status.h"
#include "strv.h"

#include <limits.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PATIENCE_MS 60000 /* a machine so busy that it takes longer is of no use */

static char *find_program(const char *name)
{
	const char *path = getenv("PATH");
	auto_free char *copy = xstrdup(path ? path : "/usr/bin:/bin");
	char *save = NULL;

	for (char *dir = strtok_r(copy, ":", &save); dir; dir = strtok_r(NULL, ":", &save)) {
		auto_free char *file = xasprintf("%s/%s", dir, name);

		if (access(file, X_OK) == 0)
			return realpath(file, NULL);
	}
	return NULL;
}

/* Asking the program for its version would take it 20 ms; its file tells as much. */
char *qemu_identity(struct err *e)
{
	auto_free char *file = find_program(arch_qemu);
	struct stat st;

	if (!file || stat(file, &st) < 0) {
		err_set(e, FCVM_EX_FAIL, "cannot run %s: not found in PATH", arch_qemu);
		return NULL;
	}
	return xasprintf("%s %llu %lld.%09ld %lld.%09ld %s", file, (unsigned long long)st.st_size,
	        (long long)st.st_mtim.tv_sec, st.st_mtim.tv_nsec, (long long)st.st_ctim.tv_sec,
	        st.st_ctim.tv_nsec, arch_machine);
}

static json_t *capabilities(void)
{
	return json_pack("{s:s, s:{s:[{s:s, s:b}, {s:s, s:b}]}}", "execute",
	        "migrate-set-capabilities", "arguments", "capabilities", "capability",
	        "x-ignore-shared", "state", 1, "capability", "events", "state", 1);
}

static int migrated(struct qmp *q, struct err *e)
{
	for (;;) {
		auto_json json_t *data = qmp_event(q, "MIGRATION", e);
		const char *status = json_string_value(json_object_get(data, "status"));

		if (!data)
			return -1;
		if (status && !strcmp(status, "completed"))
			return 0;
		if (!status || !strcmp(status, "failed") || !strcmp(status, "cancelled"))
			return err_set(e, FCVM_EX_FAIL, "the monitor cannot save the machine");
	}
}

static int save(struct qmp *q, int state, struct err *e)
{
	json_t *value;

	if (qmp_simple(q, "qmp_capabilities", e) < 0 || qmp_simple(q, "stop", e) < 0)
		return -1;
	if (qmp_send(q, capabilities(), -1, e) < 0 || !(value = qmp_reply(q, e)))
		return -1;
	json_decref(value);
	if (qmp_send(q,
	            json_pack("{s:s, s:{s:s}}", "execute", "getfd", "arguments", "fdname", "state"),
	            state, e) < 0 ||
	        !(value = qmp_reply(q, e)))
		return -1;
	json_decref(value);
	if (qmp_send(q,
	            json_pack(
	                    "{s:s, s:{s:s}}", "execute", "migrate", "arguments", "uri", "fd:state"),
	            -1, e) < 0)
		return -1;
	return migrated(q, e);
}

int qemu_save(struct vmm *v, int state, struct err *e)
{
	struct qmp q;
	int r;

	qmp_init(&q, v->monitor, PATIENCE_MS);
	r = save(&q, state, e);
	qmp_free(&q);
	return r;
}

/* All that it needs to hear is said at once: none of it depends on an answer. */
static int load(struct qmp *q, int state, struct err *e)
{
	auto_free char *uri = xasprintf("fd:%d", state);
	auto_json json_t *resumed = NULL;

	if (qmp_send(q, json_pack("{s:s}", "execute", "qmp_capabilities"), -1, e) < 0 ||
	        qmp_send(q, capabilities(), -1, e) < 0 ||
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
	if (r == 0)
		return 0;
	proc_kill(&v->proc, SIGKILL);
	proc_wait(&v->proc);
	proc_last_line(v->log, said, sizeof said);
	return *said ? err_set(e, FCVM_EX_FAIL, "%s: %s", arch_qemu, said) : -1;
}
