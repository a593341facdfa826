/* SPDX-License-Identifier: MIT
 * What clients may ask on the control socket: one request a connection. fcvm-ctl(1) lists them. */
#include "cleanup.h"
#include "health.h"
#include "json.h"
#include "name.h"
#include "rewind.h"
#include "snapshot.h"
#include "status.h"
#include "supervise.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#define STOP_MAX_S 1000000

static void ok(struct conn *c)
{
	hub_tell(c, json_pack("{s:s}", "type", "OK"));
	c->closing = true;
}

/* True if the container takes requests; else the connection was told why not. */
static bool runs(struct conn *c)
{
	const struct machine *m = c->m;

	if (m->phase == PHASE_RUN && m->running)
		return true;
	if (m->phase == PHASE_END)
		hub_refuse(c, FCVM_EX_FAIL, "the container is stopping");
	else
		hub_refuse(c, FCVM_EX_FAIL, "the container is not running yet");
	return false;
}

static void ask_about(struct machine *m, json_int_t id, const char *what)
{
	dialogue_send(m, json_pack("{s:s, s:I, s:s}", "type", "ASK", "id", id, "what", what));
}

static void ask(struct conn *c, const char *what)
{
	c->role = ROLE_ASK;
	c->ask = ++c->m->last_ask;
	ask_about(c->m, c->ask, what);
}

void request_answered(struct machine *m, const json_t *answer)
{
	json_int_t id = json_integer_value(json_object_get(answer, "id"));
	const char *error = json_string_value(json_object_get(answer, "error"));
	const char *what;
	struct conn *c = m->conns;

	while (c && (c->role != ROLE_ASK || c->ask != id))
		c = c->next;
	if (!error && (what = json_string_value(json_object_get(answer, "paused")))) {
		m->paused = !strcmp(what, "yes");
		health_paused(m);
		if (m->paused && m->stopping) /* it was on its way */
			ask_about(m, 0, "UNPAUSE");
		state_write(m);
	}
	if (!c)
		return;
	if (error) {
		hub_refuse(c, FCVM_EX_FAIL, "%s", error);
		return;
	}
	hub_tell(c, json_pack("{s:s, s:O}", "type", "OK", "answer", answer));
	c->closing = true;
}

static void exec(struct conn *c, const json_t *request)
{
	struct err e;

	if (!json_is_true(json_object_get(request, "vm")) && !runs(c))
		return;
	if (c->m->phase != PHASE_RUN) {
		hub_refuse(c, FCVM_EX_FAIL, "the VM is not running");
		return;
	}
	c->role = ROLE_EXEC;
	c->call = call_new(c->m, request, c, &e);
	if (!c->call) {
		hub_refuse(c, e.status, "%s", e.text);
		return;
	}
	if (!c->call->detach)
		hub_tell(c, json_pack("{s:s, s:b, s:b}", "type", "RUN", "tty", (int)c->call->tty,
		                    "interactive", (int)c->call->interactive));
}

static void exec_over(struct machine *m, int status, const char *error)
{
	m->reported = true;
	m->status = status;
	m->failed = error != NULL;
	if (error)
		snprintf(m->error, sizeof m->error, "%s", error);
	container_over(m, status, error);
}

/* What a clone was started for. */
void request_exec_in_front(struct machine *m, const char *command)
{
	auto_json json_t *asked = json_pack("{s:s, s:[s, s, s], s:[], s:b, s:b}", "type", "EXEC",
	        "args", "sh", "-c", command, "env", "interactive", 0, "tty", 0);
	struct conn *c = m->conns;

	while (c && !c->front)
		c = c->next;
	if (c)
		exec(c, asked);
	if (c && c->call)
		c->call->over = exec_over;
}

static void attach(struct conn *c, const json_t *request)
{
	if (runs(c))
		container_join(c, json_is_true(json_object_get(request, "stdin")));
}

static void send_signal(struct conn *c, const json_t *request)
{
	json_int_t sig = json_integer_value(json_object_get(request, "signal"));

	if (sig < 1 || sig > 64) {
		hub_refuse(c, FCVM_EX_FAIL, "no such signal");
	} else if (runs(c)) {
		dialogue_signal(c->m, (int)sig);
		ok(c);
	}
}

static int stop_timeout(const struct machine *m, const json_t *request)
{
	const json_t *t = json_object_get(request, "timeout");
	json_int_t s = json_integer_value(t);

	if (!json_is_integer(t) || s < 0)
		return m->stop_timeout_ms;
	return (int)(s > STOP_MAX_S ? STOP_MAX_S : s) * 1000;
}

static void wait_for_end(struct conn *c, const json_t *request)
{
	c->role = ROLE_WAIT;
	c->hold = json_is_true(json_object_get(request, "hold"));
	if (!c->m->reported)
		return;
	hub_tell(c, json_pack("{s:s, s:i}", "type", "ENDED", "status", c->m->status));
	c->closing = !c->hold;
}

static void stop(struct conn *c, const json_t *request)
{
	struct machine *m = c->m;

	wait_for_end(c, NULL);
	m->restart.asked = false;
	m->restart.policy = "no";
	if (m->phase == PHASE_BOOT || (m->phase == PHASE_RUN && !m->running)) {
		m->caught = SIGTERM;
		machine_end(m);
	} else if (m->phase == PHASE_RUN) {
		machine_stop(m, machine_stop_signal(m), stop_timeout(m, request));
		state_write(m);
	}
}

static void restart(struct conn *c, const json_t *request)
{
	struct machine *m = c->m;

	if (!runs(c))
		return;
	if (m->stopping && !m->restart.asked) {
		hub_refuse(c, FCVM_EX_FAIL, "the container is stopping");
		return;
	}
	c->role = ROLE_RESTART;
	m->restart.asked = true;
	machine_stop(m, machine_stop_signal(m), stop_timeout(m, request));
	state_write(m);
}

static void rename_vm(struct conn *c, const json_t *request)
{
	const char *name = json_string_value(json_object_get(request, "name"));

	if (!name || !name_valid(name)) {
		hub_refuse(c, FCVM_EX_FAIL, "%s: %s", name ? name : "", NAME_RULE);
		return;
	}
	snprintf(c->m->name, sizeof c->m->name, "%s", name);
	state_write(c->m);
	ok(c);
}

/* The process in the foreground leaves; the machine goes on without it and its descriptors. */
static void let_go(struct machine *m)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	prctl(PR_SET_PDEATHSIG, 0);
	for (int fd = 0; fd < 3 && null >= 0; fd++)
		dup2(null, fd);
	if (null >= 0)
		close(null);
	m->front_gone = true;
	if (m->o->lock >= 0 && ftruncate(m->o->lock, 0) == 0)
		lseek(m->o->lock, 0, SEEK_SET), dprintf(m->o->lock, "%d\n", (int)getpid());
}

void request_detach(struct conn *c)
{
	if (c->closing)
		return;
	if (c->role == ROLE_EXEC && c->call) {
		c->call->detach = true;
		call_started(c->m, c->call->channel);
		return;
	}
	if (c->front)
		let_go(c->m);
	c->front = false;
	c->role = ROLE_NEW;
	container_leave(c);
	hub_tell(c, json_pack("{s:s}", "type", "DETACHED"));
	c->closing = true;
	state_write(c->m);
}

void request_handle(struct conn *c, const json_t *request)
{
	static const struct {
		const char *type;
		void (*fn)(struct conn *c, const json_t *request);
	} known[] = {{"EXEC", exec}, {"ATTACH", attach}, {"SIGNAL", send_signal}, {"STOP", stop},
	        {"RESTART", restart}, {"WAIT", wait_for_end}, {"RENAME", rename_vm},
	        {"SNAPSHOT", snapshot_request}, {"REWIND", rewind_request}};
	static const char *const questions[] = {"STATS", "TOP", "PAUSE", "UNPAUSE"};
	const char *type = json_string_value(json_object_get(request, "type"));

	if (type && !strcmp(type, "DETACH")) {
		request_detach(c);
		return;
	}
	if (c->role != ROLE_NEW || c->front || c->closing) {
		hub_refuse(c, FCVM_EX_FAIL, "one request a connection");
		return;
	}
	for (size_t i = 0; type && i < sizeof known / sizeof *known; i++)
		if (!strcmp(type, known[i].type)) {
			known[i].fn(c, request);
			return;
		}
	for (size_t i = 0; type && i < sizeof questions / sizeof *questions; i++)
		if (!strcmp(type, questions[i])) {
			if (runs(c))
				ask(c, type);
			return;
		}
	hub_refuse(c, FCVM_EX_FAIL, "unknown request");
}
