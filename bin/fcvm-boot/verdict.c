/* SPDX-License-Identifier: MIT
 * How a machine ended. Only an exit report is the container's end; everything else is a failure of
 * the machine and is told apart here, with what the console has to say. */
#include "proc.h"
#include "status.h"
#include "supervise.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* The monitor's own last words, if it had any. */
static void monitor_said(const struct machine *m, char *out, size_t size)
{
	char line[300];

	proc_last_line(m->vmm->log, line, sizeof line);
	snprintf(out, size, "%s%s", *line ? ": " : "", line);
}

static int machine_failed(const struct machine *m, struct err *e)
{
	char text[400] = "", said[320];

	if (m->violation)
		return err_set(e, FCVM_EX_FAIL, "the guest was ended: %s", m->violation);
	if (m->fatal && m->vmm_fatal && !(WIFEXITED(m->vmm_status) && WEXITSTATUS(m->vmm_status)))
		return err_set(e, FCVM_EX_FAIL, "the machine cannot go on: %s", m->error);
	if (m->fatal && !m->vmm_fatal)
		return err_set(e, FCVM_EX_FAIL, "the guest agent failed: %s", m->error);
	if (m->timed_out)
		return err_set(e, FCVM_EX_FAIL,
		        "the guest did not come up in time: see the console below");
	if (m->lost_link)
		return err_set(e, FCVM_EX_FAIL,
		        "the guest did not connect again after the machine was saved");
	if (console_panic(&m->console, text, sizeof text)) {
		if (strstr(text, "Attempted to kill init"))
			return err_set(e, FCVM_EX_FAIL, "the guest agent crashed (%s)", text);
		return err_set(e, FCVM_EX_FAIL, "the guest kernel panicked: %s", text);
	}
	monitor_said(m, said, sizeof said);
	if (m->vmm_ended && WIFSIGNALED(m->vmm_status))
		return err_set(e, FCVM_EX_FAIL, "%s was ended by signal %d (%s)%s",
		        m->vmm->ops->name, WTERMSIG(m->vmm_status),
		        sigdescr_np(WTERMSIG(m->vmm_status)), said);
	if (m->vmm_ended && WEXITSTATUS(m->vmm_status)) {
		const struct vmm_ops *ops = m->vmm->ops;
		int status = WEXITSTATUS(m->vmm_status);
		const char *why = ops->explain ? ops->explain(status) : NULL;

		return err_set(e, FCVM_EX_FAIL, "%s failed with status %d%s%s%s%s", ops->name,
		        status, why ? " (" : "", why ? why : "", why ? ")" : "", said);
	}
	console_tail(&m->console, m->o->tail, m->o->tail_size);
	return err_set(e, FCVM_EX_FAIL, "the guest ended without reporting how the container did");
}

int verdict(const struct machine *m, struct err *e)
{
	err_set(e, 0, "%s", "");
	if (*m->lost) {
		err_set(e, FCVM_EX_FAIL, "%s", m->lost);
	} else if (m->caught && !m->reported) {
		e->status = FCVM_EX_SIGNAL + m->caught;
	} else if (!m->reported && m->stopping >= 3) {
		err_set(e, FCVM_EX_SIGNAL + SIGKILL,
		        "the container did not end in time, or its output was not read: the "
		        "machine was ended");
	} else if (m->saved) {
		e->status = 0;
	} else if (!m->reported &&
	           !(m->phase == PHASE_RUN && !m->o->plan && m->vmm_ended && m->vmm_status == 0)) {
		machine_failed(m, e);
	} else if (m->failed) {
		err_set(e, m->status, "%s", m->error);
	} else if (m->oom) {
		err_set(e, m->status,
		        "the container was ended because memory ran out: the machine has %llu MiB: "
		        "give it more with --memory",
		        (unsigned long long)m->o->memory >> 20);
	} else {
		e->status = m->status;
	}
	return e->status;
}
