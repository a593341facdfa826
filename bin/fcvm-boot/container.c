/* SPDX-License-Identifier: MIT
 * The container's own process: its output goes to the log and to every client that joined, as fast
 * as the slowest of them takes it; one of them at a time may write to it. */
#include "cleanup.h"
#include "clock.h"
#include "health.h"
#include "json.h"
#include "supervise.h"
#include "trace.h"

#include <errno.h>
#include <signal.h>
#include <string.h>

#define RESTART_MIN_MS  100
#define RESTART_MAX_MS  10000
#define RESTART_WELL_MS 10000 /* a container that ran as long is restarted at once */

static bool takes(const struct conn *c, int i)
{
	return c->role == ROLE_STREAM && !c->closing && !c->dead && !c->reset[i];
}

void container_credit(struct machine *m)
{
	for (int i = 0; i < (m->terminal ? 1 : 2); i++) {
		int64_t least = -1;
		uint32_t n;

		if (m->phase != PHASE_RUN || m->out_reset[i])
			continue;
		for (struct conn *c = m->conns; c; c = c->next)
			if (takes(c, i) && (least < 0 || c->credit[i] < least))
				least = c->credit[i] < 0 ? 0 : c->credit[i];
		if (least < 0 || least > (int64_t)WINDOW)
			least = WINDOW;
		if (least <= (int64_t)m->granted[i])
			continue;
		n = (uint32_t)((size_t)least - m->granted[i]);
		/* Not in crumbs, unless that is all there is. */
		if (n < WINDOW / 8 && m->granted[i] > 0)
			continue;
		m->granted[i] += n;
		proto_put_credit(&m->out, CONTAINER_CHANNEL, i ? PROTO_ERR : PROTO_OUT, n);
	}
}

static void output(struct machine *m, const struct frame *f)
{
	int i = frame_stream(f) == PROTO_ERR;

	if (f->len > m->granted[i] || (i && m->terminal)) {
		m->violation = "it sent more output than it was granted";
		return;
	}
	m->granted[i] -= f->len;
	if (m->log)
		clog_write(m->log, i, f->data, f->len);
	for (struct conn *c = m->conns; c; c = c->next)
		if (takes(c, i)) {
			c->credit[i] -= (int64_t)f->len;
			proto_put(
			        &c->out, CONTAINER_CHANNEL, PROTO_DATA, f->flags, f->data, f->len);
		}
	container_credit(m);
}

/* Hands what the container takes on stdin to the client whose turn it is: of those that are there,
 * the one that came first, which is the last of the list. */
static void give_stdin(struct machine *m)
{
	struct conn *c = m->in_owner ? NULL : m->conns;

	for (; c; c = c->next)
		if (c->role == ROLE_STREAM && c->wants_stdin && !c->closing && !c->dead)
			m->in_owner = c;
	c = m->in_owner;
	if (!c || !m->in_pool)
		return;
	c->in_granted += m->in_pool;
	proto_put_credit(&c->out, CONTAINER_CHANNEL, PROTO_IN, (uint32_t)m->in_pool);
	m->in_pool = 0;
}

static void input_credit(struct machine *m, uint32_t n)
{
	uint64_t paid = n < m->in_debt ? n : m->in_debt;

	m->in_debt -= paid;
	m->in_pool += n - paid;
	if (n > CREDIT_MAX || m->in_pool > CREDIT_MAX)
		m->violation = "it grants more input than there can be";
	else
		give_stdin(m);
}

static void input_reset(struct machine *m)
{
	for (struct conn *c = m->conns; c; c = c->next)
		if (c->role == ROLE_STREAM && c->wants_stdin) {
			proto_put(&c->out, CONTAINER_CHANNEL, PROTO_RESET, PROTO_IN, NULL, 0);
			c->wants_stdin = false;
		}
	m->in_owner = NULL;
	m->in_eof = m->in_over = true;
}

/* Whether the container is to run again, and when. */
static bool wants_restart(struct machine *m)
{
	struct restart *r = &m->restart;
	bool again = r->asked;

	if (!again && !m->stopping && !m->failed)
		again = !strcmp(r->policy, "always") ||
		        (!strcmp(r->policy, "on-failure") && m->status != 0 &&
		                (!r->max || r->tries < r->max));
	if (!again)
		return false;
	if (r->asked || (clock_real_ns() - m->started_ns) / 1000000 > RESTART_WELL_MS)
		r->delay_ms = 0;
	r->at_ms = clock_ms() + r->delay_ms;
	r->delay_ms = r->delay_ms ? r->delay_ms * 2 : RESTART_MIN_MS;
	if (r->delay_ms > RESTART_MAX_MS)
		r->delay_ms = RESTART_MAX_MS;
	r->tries += !r->asked;
	r->count++;
	return true;
}

static void tell_exit(struct machine *m, int status, const char *error)
{
	auto_json json_t *j =
	        json_pack("{s:i, s:s*}", "status", status, "error", error && *error ? error : NULL);
	auto_free char *text = json_dumps(j, JSON_COMPACT);

	for (struct conn *c = m->conns; c; c = c->next) {
		if (c->role == ROLE_STREAM && text)
			proto_put_text(&c->out, CONTAINER_CHANNEL, PROTO_EXIT, text, strlen(text));
		if (c->role == ROLE_STREAM)
			c->closing = true;
		if (c->role != ROLE_WAIT)
			continue;
		hub_tell(c, json_pack("{s:s, s:i}", "type", "ENDED", "status", status));
		c->closing = !c->hold;
	}
}

void container_over(struct machine *m, int status, const char *error)
{
	m->phase = PHASE_END;
	m->ended_ns = clock_real_ns();
	m->end_status = status;
	state_write(m); /* whoever is told now, looks there next */
	tell_exit(m, status, error);
	calls_end(m, 137, NULL);
}

static void container_exit(struct machine *m, const struct frame *f)
{
	auto_json json_t *j = dialogue_exit(m, &m->exit_text, f, &m->status);
	const char *why;

	if (!j)
		return;
	m->oom = json_is_true(json_object_get(j, "oom"));
	why = json_string_value(json_object_get(j, "error"));
	m->failed = why != NULL;
	if (why)
		snprintf(m->error, sizeof m->error, "%s", why);
	m->running = m->paused = false;
	health_stop(m);
	m->deadline_ms = -1;
	if (wants_restart(m)) {
		state_write(m);
		return;
	}
	m->reported = true;
	trace("container: ended");
	container_over(m, m->status, m->failed ? m->error : NULL);
}

void container_due(struct machine *m, int64_t now)
{
	struct restart *r = &m->restart;

	if (r->at_ms < 0 || now < r->at_ms || m->phase != PHASE_RUN)
		return;
	r->at_ms = -1;
	r->asked = false;
	m->stopping = 0;
	m->deadline_ms = -1;
	dialogue_plan(m);
}

void container_started(struct machine *m)
{
	if (m->running)
		return;
	m->running = true;
	trace("container: runs");
	m->started_ns = clock_real_ns();
	if (m->in_over && m->interactive && !m->terminal) {
		m->in_eof = true;
		dialogue_put(m, CONTAINER_CHANNEL, PROTO_EOF, PROTO_IN, NULL, 0);
	}
	health_start(m);
	state_write(m);
	for (struct conn *c = m->conns; c; c = c->next) {
		if (c->front)
			hub_tell(c, json_pack("{s:s}", "type", "STARTED"));
		if (c->role != ROLE_RESTART)
			continue;
		hub_tell(c, json_pack("{s:s}", "type", "OK"));
		c->closing = true;
	}
}

void container_frame(struct machine *m, const struct frame *f)
{
	switch (f->type) {
	case PROTO_DATA:
		output(m, f);
		break;
	case PROTO_EOF: /* the exit report is the end: until then it may run again */
		break;
	case PROTO_CREDIT:
		input_credit(m, proto_le32(f->data));
		break;
	case PROTO_RESET:
		input_reset(m);
		break;
	case PROTO_EXIT:
		container_exit(m, f);
		break;
	default:
		m->violation = "it sent a frame out of turn";
	}
}

/* When the last client that took an output no longer does, and none is kept, the container may
 * know: it gets EPIPE as it would from a pipe. A detached container goes on. */
static void check_readers(struct machine *m, struct conn *leaving, int i)
{
	for (struct conn *c = m->conns; c; c = c->next)
		if (takes(c, i))
			return;
	if (!leaving->front || m->out_reset[i] || m->phase != PHASE_RUN)
		return;
	m->out_reset[i] = true;
	dialogue_put(m, CONTAINER_CHANNEL, PROTO_RESET, i ? PROTO_ERR : PROTO_OUT, NULL, 0);
}

static int client_input(struct conn *c, const struct frame *f)
{
	struct machine *m = c->m;

	if (m->in_owner != c || f->len > c->in_granted)
		return c->wants_stdin && f->len > c->in_granted ? -EPROTO : 0;
	c->in_granted -= f->len;
	if (!m->in_eof && m->phase == PHASE_RUN)
		dialogue_put(m, CONTAINER_CHANNEL, PROTO_DATA, PROTO_IN, f->data, f->len);
	return 0;
}

static void release_stdin(struct conn *c)
{
	struct machine *m = c->m;

	c->wants_stdin = false;
	if (m->in_owner != c)
		return;
	m->in_owner = NULL;
	m->in_pool += c->in_granted;
	c->in_granted = 0;
	give_stdin(m);
}

static void client_eof(struct conn *c)
{
	struct machine *m = c->m;

	/* A later client's end is its own: the container's input goes on, with another's turn. */
	if (!c->front) {
		release_stdin(c);
		return;
	}
	if (!c->wants_stdin || m->in_eof || m->phase != PHASE_RUN)
		return;
	m->in_eof = m->in_over = true;
	dialogue_put(m, CONTAINER_CHANNEL, PROTO_EOF, PROTO_IN, NULL, 0);
}

int container_client_frame(struct conn *c, const struct frame *f)
{
	struct machine *m = c->m;
	int i = frame_stream(f) == PROTO_ERR;

	switch (f->type) {
	case PROTO_DATA:
		return client_input(c, f);
	case PROTO_EOF:
		client_eof(c);
		return 0;
	case PROTO_CREDIT:
		c->credit[i] += proto_le32(f->data);
		if (c->credit[i] > (int64_t)CREDIT_MAX)
			return -EPROTO;
		container_credit(m);
		return 0;
	case PROTO_RESET:
		c->reset[i] = true;
		check_readers(m, c, i);
		container_credit(m);
		return 0;
	case PROTO_SIGNAL:
		if (m->phase == PHASE_RUN && m->running)
			dialogue_signal(m, f->data[0]);
		return 0;
	case PROTO_WINSIZE:
		m->has_winsize = f->len == sizeof m->winsize;
		if (m->has_winsize)
			memcpy(m->winsize, f->data, sizeof m->winsize);
		if (m->phase == PHASE_RUN)
			dialogue_put(m, CONTAINER_CHANNEL, PROTO_WINSIZE, 0, f->data, f->len);
		return 0;
	default:
		return -EPROTO;
	}
}

void container_join(struct conn *c, bool wants_stdin)
{
	struct machine *m = c->m;

	c->role = ROLE_STREAM;
	c->wants_stdin = wants_stdin && m->interactive && !m->in_eof;
	hub_tell(c, json_pack("{s:s, s:b, s:b}", "type", "RUN", "tty", (int)m->terminal,
	                    "interactive", (int)c->wants_stdin));
	give_stdin(m);
}

void container_leave(struct conn *c)
{
	release_stdin(c);
	container_credit(c->m);
}
