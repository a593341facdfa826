/* SPDX-License-Identifier: MIT
 * Holds the container by the freezer of its cgroup (Documentation/admin-guide/cgroup-v2.rst), which
 * takes as long as each of its processes needs to leave the kernel. The agent does not wait: the
 * kernel says in cgroup.events when it is so. */
#include "agent.h"
#include "cleanup.h"
#include "clock.h"
#include "xio.h"

#include <fcntl.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#define FREEZE_MS 5000

static int want(bool frozen)
{
	return write_existing(STAGE_CGROUP "/cgroup.freeze", frozen ? "1" : "0");
}

static bool is_frozen(int events)
{
	char text[256];
	ssize_t n = pread(events, text, sizeof text - 1, 0);

	text[n > 0 ? n : 0] = 0;
	return strstr(text, "frozen 1") != NULL;
}

static json_t *refusal(const char *why)
{
	return json_pack("{s:s}", "error", why);
}

/* The answer to the question that waits. */
static void settle(struct agent *a, json_t *answer)
{
	struct pausing *p = &a->pausing;

	loop_drop(&a->loop, &p->watch, &p->events);
	p->until_ms = -1;
	agent_send_answer(a, p->id, answer);
}

static void events_event(void *ctx, uint32_t events)
{
	struct agent *a = ctx;

	(void)events;
	if (!is_frozen(a->pausing.events))
		return;
	a->paused = true;
	settle(a, json_pack("{s:s}", "paused", "yes"));
}

json_t *agent_pause(struct agent *a, json_int_t id)
{
	struct pausing *p = &a->pausing;
	auto_fd int events = -1;
	int r;

	if (!a->container.pid || a->container.exited)
		return refusal("the container is not running");
	if (a->paused || p->events >= 0)
		return refusal("the container is paused already");
	events = open(STAGE_CGROUP "/cgroup.events", O_RDONLY | O_CLOEXEC);
	r = events < 0 ? -errno : want(true);
	if (r < 0)
		return json_pack("{s:s+}", "error", "cannot freeze the container: ", strerror(-r));
	if (is_frozen(events)) {
		a->paused = true;
		return json_pack("{s:s}", "paused", "yes");
	}
	p->id = id;
	p->until_ms = clock_ms() + FREEZE_MS;
	p->events = steal_fd(&events);
	if (loop_add(&a->loop, &p->watch, p->events, EPOLLPRI, events_event, a) < 0)
		p->until_ms = 0;
	/* It may have happened before anybody watched. */
	events_event(a, 0);
	return NULL;
}

json_t *agent_unpause(struct agent *a)
{
	if (!a->paused && a->pausing.events < 0)
		return refusal("the container is not paused");
	agent_thaw(a);
	return json_pack("{s:s}", "paused", "no");
}

void agent_thaw(struct agent *a)
{
	if (!a->paused && a->pausing.events < 0)
		return;
	want(false);
	a->paused = false;
	if (a->pausing.events >= 0)
		settle(a, refusal("the container was let go on meanwhile"));
}

void agent_pause_due(struct agent *a)
{
	if (a->pausing.events < 0 || clock_ms() < a->pausing.until_ms)
		return;
	want(false);
	settle(a, refusal("cannot freeze the container: it has not come to rest in time"));
}

int agent_pause_left(const struct agent *a)
{
	int64_t left = a->pausing.until_ms - clock_ms();

	return a->pausing.events < 0 ? -1 : left < 0 ? 0 : (int)left;
}
