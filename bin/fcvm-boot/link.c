/* SPDX-License-Identifier: MIT
 * The stream to the agent: there from the start, or the agent connects, and does so again when a
 * save has ended it. Nothing is under way then: see snapshot.c. */
#include "clock.h"
#include "status.h"
#include "supervise.h"

#include <sys/epoll.h>
#include <sys/socket.h>

#define RELINK_MS 30000

static void take(struct machine *m)
{
	struct sockaddr_storage from;
	socklen_t n = sizeof from;
	int fd =
	        accept4(m->vmm->listen, (struct sockaddr *)&from, &n, SOCK_NONBLOCK | SOCK_CLOEXEC);
	struct err e;

	if (fd < 0)
		return;
	m->vmm->agent = fd;
	m->relink_ms = -1;
	loop_remove(&m->loop, &m->agent_watch);
	if (link_open(m, &e) < 0)
		m->violation = "it cannot be watched";
}

static void event(void *ctx, uint32_t events)
{
	struct machine *m = ctx;

	if (!(events & (EPOLLIN | EPOLLHUP | EPOLLERR)))
		return;
	if (m->vmm->agent < 0)
		take(m);
	else
		dialogue_receive(m);
}

int link_open(struct machine *m, struct err *e)
{
	int fd = m->vmm->agent >= 0 ? m->vmm->agent : m->vmm->listen;

	return fd < 0 || loop_add(&m->loop, &m->agent_watch, fd, EPOLLIN, event, m) < 0
	               ? err_sys(e, "cannot watch the machine")
	               : 0;
}

void link_renew(struct machine *m)
{
	struct err e;

	if (!m->vmm->reset)
		return;
	m->vmm->reset = false;
	loop_drop(&m->loop, &m->agent_watch, &m->vmm->agent);
	m->in.start = m->in.end = 0; /* nothing of a whole frame: see above */
	m->agent_closed = m->agent_mute = false;
	m->relink_ms = clock_ms() + RELINK_MS;
	if (link_open(m, &e) < 0)
		m->violation = "it cannot be watched";
}

void link_due(struct machine *m, int64_t now)
{
	if (m->relink_ms < 0 || now < m->relink_ms)
		return;
	m->relink_ms = -1;
	m->lost_link = true;
	machine_end(m);
}
