/* SPDX-License-Identifier: MIT
 * What comes from the monitor and its guest: the agent's stream (link.c), the console, the
 * monitor's own words, its end. */
#include "clock.h"
#include "supervise.h"

#include <poll.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

static void console_event(void *ctx, uint32_t events)
{
	struct machine *m = ctx;

	(void)events;
	if (console_drain(&m->console, m->vmm->console))
		return;
	loop_remove(&m->loop, &m->console_watch);
	close(m->vmm->console);
	m->vmm->console = -1;
}

/* What the monitor says unasked is of no interest, but it must not wait for a reader. */
static void monitor_event(void *ctx, uint32_t events)
{
	struct machine *m = ctx;
	char text[4096];

	(void)events;
	while (recv(m->vmm->monitor, text, sizeof text, MSG_DONTWAIT) > 0)
		;
	if (events & (EPOLLHUP | EPOLLERR))
		loop_remove(&m->loop, &m->monitor_watch);
}

static void vmm_event(void *ctx, uint32_t events)
{
	struct machine *m = ctx;

	(void)events;
	/* What the guest said before the end is still in the sockets. */
	while (m->vmm->agent >= 0 && !m->agent_closed && !m->violation) {
		struct pollfd p = {.fd = m->vmm->agent, .events = POLLIN};

		if (poll(&p, 1, 0) <= 0)
			break;
		dialogue_receive(m);
	}
	console_drain(&m->console, m->vmm->console);
	loop_remove(&m->loop, &m->vmm_watch);
	m->vmm_status = proc_wait(&m->vmm->proc);
	m->vmm_ended = true;
}

int watches_add(struct machine *m, struct watch *w, int fd, void (*fn)(void *ctx, uint32_t events),
        struct err *e)
{
	return fd < 0 || loop_add(&m->loop, w, fd, EPOLLIN, fn, m) < 0
	               ? err_sys(e, "cannot watch the machine")
	               : 0;
}

int watches_begin(struct machine *m, struct err *e)
{
	struct vmm *v = m->vmm;

	if (link_open(m, e) < 0 ||
	        watches_add(m, &m->console_watch, v->console, console_event, e) < 0 ||
	        watches_add(m, &m->vmm_watch, v->proc.pidfd, vmm_event, e) < 0)
		return -1;
	/* Of a machine that becomes a template, the answers to that will be read then. */
	return v->monitor < 0 || !m->o->plan
	               ? 0
	               : watches_add(m, &m->monitor_watch, v->monitor, monitor_event, e);
}

void watches_end(struct machine *m)
{
	struct watch *const all[] = {
	        &m->agent_watch, &m->console_watch, &m->vmm_watch, &m->monitor_watch};

	for (size_t i = 0; i < sizeof all / sizeof *all; i++)
		if (all[i]->fd >= 0)
			loop_remove(&m->loop, all[i]);
}
