/* SPDX-License-Identifier: MIT */
#include "health.h"
#include "rewind.h"
#include "status.h"

#include <fcntl.h>
#include <unistd.h>

/* Clients of the container's own streams stay, as at a restart. */
static void end_clients(struct machine *m, const char *why)
{
	health_stop(m);
	calls_end(m, FCVM_EX_FAIL, why);
	for (struct conn *c = m->conns; c; c = c->next)
		if (c->role == ROLE_ASK && !c->closing)
			hub_refuse(c, FCVM_EX_FAIL, "%s", why);
}

/* What is under way to the machine of before is of no use to this one. */
static void take_wire(struct machine *m, const struct rewind_other *o)
{
	proto_in_free(&m->in);
	proto_out_free(&m->out);
	proto_out_free(&m->first);
	proto_text_clear(&m->control);
	proto_text_clear(&m->exit_text);
	m->in = o->in;
	m->out = o->out;
	m->first = (struct proto_out){0};
	m->held = m->agent_closed = m->agent_mute = false;
}

static void go_on(struct machine *m, bool paused)
{
	struct err e;

	dialogue_begin_streams(m);
	m->paused = paused;
	m->oom = false;
	if (m->has_winsize)
		dialogue_put(m, CONTAINER_CHANNEL, PROTO_WINSIZE, 0, m->winsize, sizeof m->winsize);
	if (watches_begin(m, &e) < 0) {
		m->fatal = true;
		snprintf(m->error, sizeof m->error, "%s", e.text);
		machine_end(m);
		return;
	}
	container_credit(m);
	container_started(m);
	dialogue_handle(m);
}

void rewind_swap(struct machine *m, const struct rewind_other *o, const char *why)
{
	end_clients(m, why);
	watches_end(m);
	if (m->vmm->console >= 0)
		console_drain(&m->console, m->vmm->console);
	vmm_end(m->vmm);
	*m->vmm = o->vmm;
	/* The disk of now under the number that everybody knows. */
	dup3(o->scratch, m->o->saving->scratch, O_CLOEXEC);
	close(o->scratch);
	take_wire(m, o);
	go_on(m, o->paused);
}
