/* SPDX-License-Identifier: MIT */
#include "supervise.h"
#include "boot_vol.h"
#include "cleanup.h"
#include "clock.h"
#include "health.h"
#include "job.h"
#include "json.h"
#include "signals.h"
#include "status.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>

#define BOOT_MS  120000 /* an emulated guest on a busy host takes its time */
#define GRACE_MS 5000   /* for the guest to act on a kill, or to end by itself */
#define HOLD_MS  5000   /* for clients to read what is left once all is over */

void machine_end(struct machine *m)
{
	if (!m->vmm_ended)
		m->vmm->ops->kill(m->vmm);
	m->phase = PHASE_END;
	m->deadline_ms = -1;
}

/* The container hears it first; if it does not end in time it is killed, and if even that brings no
 * report the machine is. */
void machine_stop(struct machine *m, int sig, int timeout_ms)
{
	if (m->paused)
		dialogue_send(
		        m, json_pack("{s:s, s:i, s:s}", "type", "ASK", "id", 0, "what", "UNPAUSE"));
	dialogue_signal(m, sig);
	if (m->stopping > 1 || (m->stopping == 1 && m->deadline_ms <= clock_ms() + timeout_ms))
		return;
	m->stopping = 1;
	m->deadline_ms = clock_ms() + timeout_ms;
}

int machine_stop_signal(const struct machine *m)
{
	json_int_t sig = json_integer_value(
	        json_object_get(json_object_get(m->o->plan, "fcvm"), "stopSignal"));

	return sig > 0 && sig < 65 ? (int)sig : SIGTERM;
}

static void on_signal(struct machine *m, int sig)
{
	bool ends = signals_ends(sig);

	if (sig == SIGPIPE || sig == SIGWINCH || sig == SIGCONT)
		return;
	/* Before the first run and between two there is nobody to ask. */
	if (m->phase == PHASE_RUN && m->started_ns && !m->vmm_ended && m->restart.at_ms < 0) {
		if (ends && sig != SIGQUIT) {
			m->restart.asked = false;
			m->restart.policy = "no";
			machine_stop(m, sig, m->stop_timeout_ms);
		} else {
			dialogue_signal(m, sig);
		}
	} else if (ends) {
		m->caught = m->caught ? m->caught : sig;
		machine_end(m);
	}
}

static void signal_event(void *ctx, uint32_t events)
{
	struct machine *m = ctx;
	struct signalfd_siginfo si;

	(void)events;
	while (read(m->signal_watch.fd, &si, sizeof si) == sizeof si)
		on_signal(m, (int)si.ssi_signo);
}

static void on_deadline(struct machine *m)
{
	if (m->phase == PHASE_BOOT || !m->o->plan || (m->o->restored && !m->resumed)) {
		m->timed_out = true;
		machine_end(m);
	} else if (m->stopping == 1) {
		m->stopping = 2;
		dialogue_signal(m, SIGKILL);
		m->deadline_ms = clock_ms() + GRACE_MS;
	} else {
		if (m->stopping)
			m->stopping = 3;
		machine_end(m);
	}
}

static void wake_event(void *ctx, uint32_t events)
{
	struct machine *m = ctx;
	uint64_t count;

	(void)events;
	(void)!read(m->wake, &count, sizeof count);
}

/* Milliseconds until something is due, for epoll_wait(2). */
static int time_left(const struct machine *m)
{
	int64_t next = clock_earlier(clock_earlier(m->deadline_ms, job_next(m)),
	        clock_earlier(m->restart.at_ms, health_next(m)));
	int64_t left;

	next = clock_earlier(next, m->relink_ms);
	if (next < 0)
		return -1;
	left = next - clock_ms();
	return left < 0 ? 0 : left > 0x7fffffff ? 0x7fffffff : (int)left;
}

static void step(struct machine *m)
{
	int64_t now;

	if (m->vmm->agent >= 0 && !m->agent_closed)
		loop_want(&m->loop, &m->agent_watch,
		        EPOLLIN | (dialogue_pending(m) && !m->agent_mute ? EPOLLOUT : 0));
	loop_once(&m->loop, time_left(m));
	if (m->agent_closed)
		loop_remove(&m->loop, &m->agent_watch);
	hub_turn(m);
	if (!m->agent_mute && m->vmm->agent >= 0 && dialogue_flush(m) < 0)
		m->agent_mute = true; /* what it said before is still to be read */
	now = clock_ms();
	if (m->deadline_ms >= 0 && now >= m->deadline_ms)
		on_deadline(m);
	container_due(m, now);
	health_due(m, now);
	job_due(m, now);
	link_due(m, now);
	if (m->violation && m->phase != PHASE_END)
		machine_end(m);
	if (m->fatal && m->deadline_ms < 0 && m->phase != PHASE_END)
		m->deadline_ms = clock_ms() + GRACE_MS;
	/* The report is in, and nothing of this machine outlives it. */
	if (m->reported && !m->vmm_ended)
		machine_end(m);
}

/* What the plan says of the container's life. */
static int read_plan(struct machine *m, struct err *e)
{
	const json_t *plan = m->o->plan, *own = json_object_get(plan, "fcvm");
	const json_t *restart = json_object_get(own, "restart"), *log = json_object_get(own, "log");
	const char *name = json_string_value(json_object_get(plan, "name"));
	const char *policy = json_string_value(json_object_get(restart, "policy"));
	const char *driver = json_string_value(json_object_get(log, "driver"));
	json_int_t timeout = json_integer_value(json_object_get(own, "stopTimeout"));
	json_int_t size = json_integer_value(json_object_get(log, "maxSize"));
	json_int_t max = json_integer_value(json_object_get(restart, "max"));
	int r;

	snprintf(m->name, sizeof m->name, "%s", name ? name : "");
	m->stop_timeout_ms = timeout > 1000000 ? 1000000000 : (int)timeout * 1000;
	m->terminal = json_is_true(json_object_get(json_object_get(plan, "process"), "terminal"));
	m->interactive = json_is_true(json_object_get(own, "interactive"));
	m->restart.policy = policy ? policy : "no";
	m->restart.max = max > 0 && max < 1000000 ? (int)max : 0;
	m->restart.at_ms = -1;
	health_init(m);
	if (json_is_true(json_object_get(own, "straceAgent"))) {
		m->console.copy = m->trace = sink_new(STDERR_FILENO, m->wake);
		loop_add(&m->loop, &m->wake_watch, m->wake, EPOLLIN, wake_event, m);
	}
	if (m->o->dir < 0 || (driver && !strcmp(driver, "none")))
		return 0;
	r = clog_open(m->o->dir, size > 0 ? (uint64_t)size : 0, &m->log);
	if (r < 0) {
		errno = -r;
		return err_sys(e, "cannot make the container's log");
	}
	return 0;
}

static int prepare(struct machine *m, struct err *e)
{
	int r = console_open(&m->console, m->o->dir);

	if (r < 0) {
		errno = -r;
		return err_sys(e, "cannot write the console log");
	}
	r = loop_init(&m->loop);
	m->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (r < 0 || m->wake < 0)
		return err_sys(e, "cannot make the event loop");
	proto_in_init(&m->in, PROTO_GUEST);
	if (watches_add(m, &m->signal_watch, signals_watch(), signal_event, e) < 0 ||
	        watches_begin(m, e) < 0)
		return -1;
	if (!m->o->plan)
		return 0;
	if (m->o->volumes >= 0 && watches_add(m, &m->volume_watch, m->o->volumes, vol_event, e) < 0)
		return -1;
	if (read_plan(m, e) < 0 || hub_listen(m, e) < 0)
		return -1;
	state_forget(m);
	if (m->o->front >= 0) {
		struct conn *c = hub_add(m, m->o->front);

		if (!c)
			return err_sys(e, "cannot watch the process in the foreground");
		c->front = true;
	}
	if (m->o->restored)
		dialogue_resume(m);
	state_write(m);
	return 0;
}

/* The machine has ended: clients hear it, and read what is left. The process in the foreground
 * takes as long as its reader does; a signal to it ends that wait. */
static void say_goodbye(struct machine *m, int status, const char *why)
{
	int64_t until = clock_ms() + HOLD_MS;

	job_end(m);
	if (!m->reported) {
		calls_end(m, FCVM_EX_FAIL, "the VM has ended");
		container_over(m, status, why);
	}
	m->deadline_ms = m->restart.at_ms = -1;
	health_stop(m);
	state_write(m);
	for (struct conn *c = m->conns; c; c = c->next)
		if (!c->hold)
			c->closing = true;
	hub_turn(m);
	while (hub_is_held(m)) {
		bool front = false;

		for (struct conn *c = m->conns; c; c = c->next)
			front |= c->front && !m->stopping;
		if (!front && clock_ms() >= until)
			break;
		loop_once(&m->loop, front ? -1 : (int)(until - clock_ms()) + 1);
		hub_turn(m);
	}
}

static void release(struct machine *m, int status, const char *why)
{
	hub_close_all(m);
	calls_end(m, FCVM_EX_FAIL, NULL);
	health_free(m);
	clog_close(m->log);
	state_keep(m, status, why);
	if (m->trace)
		sink_finish(m->trace);
	while (m->trace && !sink_idle(m->trace) && !m->caught)
		loop_once(&m->loop, -1);
	sink_free(m->trace);
	console_close(&m->console);
	proto_in_free(&m->in);
	proto_out_free(&m->out);
	proto_out_free(&m->first);
	proto_text_clear(&m->control);
	proto_text_clear(&m->exit_text);
	if (m->signal_watch.fd >= 0)
		close(m->signal_watch.fd);
	if (m->wake >= 0)
		close(m->wake);
	if (m->loop.epoll >= 0)
		close(m->loop.epoll);
}

int supervise(struct vmm *v, const struct supervise_opts *o, struct err *e)
{
	static const struct watch none = {.fd = -1};
	struct machine m = {.vmm = v,
	        .o = o,
	        .loop.epoll = -1,
	        .console.file = -1,
	        .wake = -1,
	        .agent_watch = none,
	        .console_watch = none,
	        .vmm_watch = none,
	        .signal_watch = none,
	        .listen_watch = none,
	        .wake_watch = none,
	        .volume_watch = none,
	        .monitor_watch = none,
	        .restart = {.policy = "no", .at_ms = -1},
	        .created_ns = clock_real_ns(),
	        .deadline_ms = clock_ms() + BOOT_MS,
	        .relink_ms = -1};
	int status;

	if (prepare(&m, e) < 0) {
		machine_end(&m);
		m.vmm_status = proc_wait(&v->proc);
		m.vmm_ended = true;
		e->status = FCVM_EX_FAIL;
	} else {
		while (!m.vmm_ended)
			step(&m);
		verdict(&m, e);
		say_goodbye(&m, e->status, e->text);
	}
	status = e->status;
	release(&m, status, e->text);
	return status;
}
