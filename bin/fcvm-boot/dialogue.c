/* SPDX-License-Identifier: MIT
 * The host's side of fcvm-proto(7). Nothing the agent says is believed beyond what it may say: a
 * violation ends the machine. */
#include "cleanup.h"
#include "clock.h"
#include "json.h"
#include "snapshot.h"
#include "supervise.h"
#include "trace.h"
#include "version.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#define END_MS        30000 /* for a machine that was told to end */
#define ENTROPY_BYTES 64

static void put_failed(struct machine *m, int r)
{
	if (r < 0)
		m->violation = "it does not read what it is sent";
}

void dialogue_send(struct machine *m, json_t *message)
{
	auto_json json_t *j = message;
	auto_free char *text = json_dumps(j, JSON_COMPACT);

	put_failed(m, text ? proto_put_text(&m->out, 0, PROTO_CONTROL, text, strlen(text)) : -1);
}

/* Ahead of all else, also of what is held back. */
static void send_first(struct machine *m, json_t *message)
{
	auto_json json_t *j = message;
	auto_free char *text = json_dumps(j, JSON_COMPACT);

	put_failed(m, text ? proto_put_text(&m->first, 0, PROTO_CONTROL, text, strlen(text)) : -1);
}

void dialogue_put(struct machine *m, uint16_t channel, enum proto_type type, uint8_t flags,
        const void *data, size_t n)
{
	put_failed(m, proto_put(&m->out, channel, type, flags, data, n));
}

void dialogue_signal(struct machine *m, int sig)
{
	uint8_t byte = (uint8_t)sig;

	dialogue_put(m, CONTAINER_CHANNEL, PROTO_SIGNAL, 0, &byte, 1);
}

void dialogue_begin_streams(struct machine *m)
{
	m->running = m->paused = m->in_eof = false;
	m->out_reset[0] = m->out_reset[1] = false;
	m->granted[0] = m->granted[1] = 0;
	m->in_pool = m->in_debt = 0;
	for (struct conn *c = m->conns; c; c = c->next)
		m->in_debt += c->in_granted;
}

void dialogue_plan(struct machine *m)
{
	dialogue_begin_streams(m);
	dialogue_send(m, json_pack("{s:s, s:I, s:O}", "type", "PLAN", "time",
	                         (json_int_t)clock_real_ns(), "plan", m->o->plan));
	container_credit(m);
}

bool dialogue_freeze(struct machine *m, bool disk)
{
	const char *text = disk ? "{\"type\":\"FREEZE\",\"disk\":true}" : "{\"type\":\"FREEZE\"}";

	if (proto_pending(&m->first))
		return false;
	proto_out_free(&m->first);
	m->first = m->out;
	m->out = (struct proto_out){0};
	m->held = true;
	put_failed(m, proto_put_text(&m->first, 0, PROTO_CONTROL, text, strlen(text)));
	return true;
}

void dialogue_thaw(struct machine *m)
{
	static const char text[] = "{\"type\":\"THAW\"}";

	if (!m->held)
		return;
	m->held = false;
	put_failed(m, proto_put_text(&m->first, 0, PROTO_CONTROL, text, sizeof text - 1));
}

bool dialogue_pending(const struct machine *m)
{
	return proto_pending(&m->first) || (!m->held && proto_pending(&m->out));
}

int dialogue_flush(struct machine *m)
{
	int r = proto_pending(&m->first) ? proto_flush(&m->first, m->vmm->agent) : 0;

	if (r < 0 || m->held || proto_pending(&m->first))
		return r;
	return proto_flush(&m->out, m->vmm->agent);
}

static void begin(struct machine *m)
{
	m->phase = PHASE_RUN;
	m->deadline_ms = -1;
	for (struct conn *c = m->conns; c; c = c->next)
		if (c->front && !m->o->exec)
			container_join(c, m->interactive);
	dialogue_plan(m);
}

static void hello(struct machine *m, const json_t *j)
{
	if (json_integer_value(json_object_get(j, "proto")) != PROTO_VERSION) {
		m->violation = "its agent speaks another protocol version: run 'fcvm setup' again";
		return;
	}
	if (m->o->plan) {
		begin(m);
		return;
	}
	m->phase = PHASE_RUN;
	m->deadline_ms = clock_ms() + END_MS;
	if (m->o->ready)
		dialogue_send(
		        m, json_pack("{s:s, s:O}", "type", "TEMPLATE", "plan", m->o->ready_plan));
	else
		dialogue_send(m, json_pack("{s:s}", "type", "BYE"));
}

/* n random bytes, as a message has them. */
static int entropy(char *hex, size_t n)
{
	unsigned char bytes[ENTROPY_BYTES];

	if (getrandom(bytes, n, 0) != (ssize_t)n)
		return -1;
	for (size_t i = 0; i < n; i++)
		snprintf(hex + 2 * i, 3, "%02x", bytes[i]);
	return 0;
}

/* A clone of a machine that was running: who it is from now on. */
json_t *dialogue_clone_message(const json_t *plan, bool exec)
{
	char random[2 * ENTROPY_BYTES + 1], epoch[33], machine[33], b[33], boot[37];

	if (entropy(random, ENTROPY_BYTES) < 0 || entropy(epoch, 16) < 0 ||
	        entropy(machine, 16) < 0 || entropy(b, 16) < 0)
		return NULL;
	/* RFC 9562: version 4, variant 10. */
	snprintf(boot, sizeof boot, "%.8s-%.4s-4%.3s-%c%.3s-%.12s", b, b + 8, b + 13,
	        "89ab"[b[16] & 3], b + 17, b + 20);
	return json_pack("{s:s, s:I, s:s, s:s, s:s, s:s, s:b, s:O}", "type", "RESUME", "time",
	        (json_int_t)clock_real_ns(), "entropy", random, "epoch", epoch, "machineId",
	        machine, "bootId", boot, "exec", (int)exec, "plan", plan);
}

json_t *dialogue_time(void)
{
	return json_pack("{s:s, s:I}", "type", "TIME", "time", (json_int_t)clock_real_ns());
}

static void resume_clone(struct machine *m)
{
	json_t *message = dialogue_clone_message(m->o->plan, m->o->exec != NULL);

	if (!message) {
		m->violation = "there is no entropy for it";
		return;
	}
	/* What it was sent before it is a clone would be for the sessions of the other machine. */
	send_first(m, message);
	m->held = true;
	m->phase = PHASE_RUN;
	for (struct conn *c = m->conns; c; c = c->next)
		if (c->front && !m->o->exec)
			container_join(c, m->interactive);
	container_credit(m);
	m->deadline_ms = clock_ms() + END_MS;
}

void dialogue_resume(struct machine *m)
{
	char hex[2 * ENTROPY_BYTES + 1];

	if (m->o->clone) {
		resume_clone(m);
		return;
	}
	if (entropy(hex, ENTROPY_BYTES) < 0) {
		m->violation = "there is no entropy for it";
		return;
	}
	dialogue_send(m, json_pack("{s:s, s:I, s:s}", "type", "RESUME", "time",
	                         (json_int_t)clock_real_ns(), "entropy", hex));
	begin(m);
	/* The agent has been waiting: it is quick, or it is not there. */
	m->deadline_ms = clock_ms() + END_MS;
}

static void ready(struct machine *m)
{
	struct err e = {.text = ""};

	m->saved = m->o->ready(m->vmm, m->o->ready_ctx, &e) == 0;
	if (!m->saved) {
		m->fatal = m->vmm_fatal = true;
		snprintf(m->error, sizeof m->error, "%s", e.text);
	}
	machine_end(m);
}

static void container_begun(struct machine *m)
{
	bool first = !m->started_ns;

	container_started(m);
	if (first && m->o->exec)
		request_exec_in_front(m, m->o->exec);
}

static void resumed(struct machine *m, const json_t *j)
{
	m->resumed = true;
	m->held = false;
	trace("agent: resumed");
	if (m->o->resumed)
		*m->o->resumed = true;
	if (!m->stopping)
		m->deadline_ms = -1;
	if (!m->o->clone)
		return;
	m->paused = json_is_true(json_object_get(j, "paused"));
	container_begun(m);
}

static void fatal(struct machine *m, const json_t *j)
{
	const char *text = json_string_value(json_object_get(j, "error"));

	m->fatal = true;
	snprintf(m->error, sizeof m->error, "%s", text ? text : "(no reason given)");
}

static void started(struct machine *m, const json_t *j)
{
	json_int_t channel = json_integer_value(json_object_get(j, "channel"));

	if (channel > CONTAINER_CHANNEL && channel <= UINT16_MAX)
		call_started(m, (uint16_t)channel);
	else if (!m->running)
		container_begun(m);
}

static void control(struct machine *m, const struct frame *f)
{
	auto_json json_t *j = NULL;
	const char *type;
	int r = proto_text_add(&m->control, f);

	if (r < 0)
		m->violation = "it sent a control message that is too long";
	if (r != 1)
		return;
	j = json_parse(m->control.buf, m->control.len, "message", NULL);
	proto_text_clear(&m->control);
	type = json_string_value(json_object_get(j, "type"));
	if (!type)
		m->violation = "it sent a control message that is not understood";
	else if (!strcmp(type, "HELLO") && m->phase == PHASE_BOOT)
		hello(m, j);
	else if (!strcmp(type, "READY") && m->phase == PHASE_RUN && m->o->ready)
		ready(m);
	else if (!strcmp(type, "RESUMED") && m->o->restored && !m->resumed)
		resumed(m, j);
	else if (!strcmp(type, "TIME") && m->o->clone && !m->resumed)
		send_first(m, dialogue_time());
	else if (!strcmp(type, "FROZEN") && m->o->plan)
		snapshot_frozen(m, j);
	else if (!strcmp(type, "FATAL"))
		fatal(m, j);
	else if (!strcmp(type, "STARTED") && m->o->plan)
		started(m, j);
	else if (!strcmp(type, "ANSWER"))
		request_answered(m, j);
	else if (strcmp(type, "LOG") != 0)
		m->violation = "it sent a control message out of turn";
}

json_t *dialogue_exit(
        struct machine *m, struct proto_text *text, const struct frame *f, int *status)
{
	int r = proto_text_add(text, f);
	json_t *j, *v;

	if (r < 0)
		m->violation = "it sent an exit report that is too long";
	if (r != 1)
		return NULL;
	j = json_parse(text->buf, text->len, "exit report", NULL);
	proto_text_clear(text);
	v = json_object_get(j, "status");
	if (json_is_integer(v) && json_integer_value(v) >= 0 && json_integer_value(v) <= 255) {
		*status = (int)json_integer_value(v);
		return j;
	}
	m->violation = "it sent an exit report without a status";
	json_decref(j);
	return NULL;
}

static void handle(struct machine *m, const struct frame *f)
{
	if (f->type == PROTO_CONTROL)
		control(m, f);
	else if (m->phase == PHASE_END)
		return;
	else if (m->phase == PHASE_BOOT || !m->o->plan)
		m->violation = "it used a channel that is not open";
	else if (f->channel == CONTAINER_CHANNEL)
		container_frame(m, f);
	else if (!call_frame(m, f))
		m->violation = "it used a channel that is not open";
}

void dialogue_handle(struct machine *m)
{
	struct frame f;
	int r;

	while (!m->violation && (r = proto_next(&m->in, &f)) != 0) {
		if (r < 0)
			m->violation = "it sent something that is not the protocol";
		else
			handle(m, &f);
	}
}

void dialogue_receive(struct machine *m)
{
	size_t space;
	uint8_t *p = proto_in_space(&m->in, &space);
	ssize_t n = recv(m->vmm->agent, p, space, MSG_DONTWAIT);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		m->agent_closed = true;
		return;
	}
	proto_in_filled(&m->in, (size_t)n);
	dialogue_handle(m);
}
