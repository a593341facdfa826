/* SPDX-License-Identifier: MIT
 * state.json in the run directory: what `fcvm ls` and `fcvm inspect` show without asking anybody;
 * and the record that is kept of it at the end. */
#include "cleanup.h"
#include "dirs.h"
#include "ended.h"
#include "health.h"
#include "json.h"
#include "msg.h"
#include "supervise.h"
#include "vms.h"

#include <unistd.h>

static const char *word(const struct machine *m)
{
	if (m->phase == PHASE_END || m->stopping)
		return m->restart.asked ? "restarting" : "stopping";
	if (m->phase == PHASE_BOOT || !m->started_ns)
		return "starting";
	if (!m->running)
		return "restarting";
	return m->paused ? "paused" : "running";
}

static json_t *describe(const struct machine *m, const char *state, int status, const char *error)
{
	const json_t *plan = m->o->plan, *process = json_object_get(plan, "process");
	json_t *mounts = (json_t *)(uintptr_t)m->o->mounts;
	json_t *ports = json_object_get(m->o->net, "ports");
	const char *address = json_string_value(json_object_get(m->o->net, "address"));

	return json_pack("{s:s, s:O?, s:O?, s:I, s:I, s:I, s:i, s:s, s:s, s:s, s:i, s:i, "
	                 "s:{s:s, s:i, s:s}, s:I, s:I, s:i, s:O?, s:o, s:o, s:s, s:b, s:s, s:O?}",
	        "name", m->name, "image", json_object_get(plan, "image"), "command",
	        json_object_get(process, "args"), "created", (json_int_t)m->created_ns, "started",
	        (json_int_t)m->started_ns, "ended", (json_int_t)m->ended_ns, "exit", status,
	        "error", error, "state", state, "health", health_word(m), "pid", (int)getpid(),
	        "front", m->front_gone ? 0 : (int)m->o->front_pid, "vmm", "name", m->vmm->ops->name,
	        "pid", (int)m->vmm->proc.pid, "accel", m->o->accel ? m->o->accel : "", "cpus",
	        (json_int_t)m->o->cpus, "memory", (json_int_t)m->o->memory, "restarts",
	        m->restart.count, "labels", json_object_get(plan, "labels"), "ports",
	        ports ? json_incref(ports) : json_array(), "mounts",
	        mounts ? json_incref(mounts) : json_array(), "address", address ? address : "",
	        "tty", (int)m->terminal, "log", m->log ? "file" : "none", "kernel", m->o->kernel);
}

void state_write(struct machine *m)
{
	auto_json json_t *s = NULL;

	if (m->o->dir < 0 || !m->o->plan)
		return;
	s = describe(m, word(m), m->end_status, "");
	if (s)
		json_put_at(m->o->dir, VMS_STATE, s, 0600);
}

/* A container that never ran has told its caller why; there is nothing to look up later. */
void state_keep(struct machine *m, int status, const char *why)
{
	const json_t *own = json_object_get(m->o->plan, "fcvm");
	auto_free char *data = NULL;
	auto_json json_t *s = NULL;
	struct err e;

	if (m->o->dir < 0 || !m->started_ns || json_is_true(json_object_get(own, "remove")))
		return;
	data = dirs_data();
	s = describe(m, "exited", status, why);
	json_object_set_new(s, "pid", json_integer(0));
	json_object_set_new(s, "health", json_string(""));
	json_object_set_new(s, "vmm",
	        json_pack("{s:s, s:i, s:s}", "name", m->vmm->ops->name, "pid", 0, "accel",
	                m->o->accel ? m->o->accel : ""));
	if (s && ended_keep(data, m->name, s, m->o->dir, &e) < 0)
		msg_err(&e);
}

void state_forget(const struct machine *m)
{
	auto_free char *data = dirs_data();

	if (m->o->dir >= 0)
		ended_remove(data, m->name, NULL);
}
