/* SPDX-License-Identifier: MIT
 * state.json in the run directory: what `fcvm ls` and `fcvm inspect` show without asking anybody.
 */
#include "cleanup.h"
#include "health.h"
#include "json.h"
#include "supervise.h"

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

void state_write(struct machine *m)
{
	const json_t *plan = m->o->plan, *process = json_object_get(plan, "process");
	json_t *ports = json_object_get(plan, "ports");
	auto_json json_t *s = NULL;

	if (m->o->dir < 0 || !plan)
		return;
	s = json_pack(
	        "{s:s, s:O?, s:O?, s:I, s:I, s:s, s:s, s:i, s:i, s:{s:s, s:i, s:s}, s:I, s:I, "
	        "s:i, s:O?, s:o, s:s, s:b, s:s}",
	        "name", m->name, "image", json_object_get(plan, "image"), "command",
	        json_object_get(process, "args"), "created", (json_int_t)m->created_ns, "started",
	        (json_int_t)m->started_ns, "state", word(m), "health", health_word(m), "pid",
	        (int)getpid(), "front", m->front_gone ? 0 : (int)m->o->front_pid, "vmm", "name",
	        m->vmm->ops->name, "pid", (int)m->vmm->proc.pid, "accel",
	        m->o->accel ? m->o->accel : "", "cpus", (json_int_t)m->o->cpus, "memory",
	        (json_int_t)m->o->memory, "restarts", m->restart.count, "labels",
	        json_object_get(plan, "labels"), "ports", ports ? json_incref(ports) : json_array(),
	        "address", "", "tty", (int)m->terminal, "log", m->log ? "file" : "none");
	if (s)
		json_save_at(m->o->dir, "state.json", s, 0600);
}
