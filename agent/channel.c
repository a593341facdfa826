/* SPDX-License-Identifier: MIT
 * The connection to the host: control messages in both directions and the frames of sessions. */
#include "agent.h"
#include "cleanup.h"
#include "early.h"
#include "exec.h"
#include "freeze.h"
#include "guest_port.h"
#include "json.h"
#include "status.h"
#include "version.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#define LOW_WATER ((size_t)128 << 10)

static void want_port(struct agent *a)
{
	loop_want(&a->loop, &a->port_watch, EPOLLIN | (proto_pending(&a->out) ? EPOLLOUT : 0));
}

void agent_send(struct agent *a, json_t *message)
{
	auto_json json_t *m = message;
	auto_free char *text = json_dumps(m, JSON_COMPACT);

	if (text)
		proto_put_text(&a->out, 0, PROTO_CONTROL, text, strlen(text));
}

void agent_fatal(struct agent *a, const struct err *e)
{
	fprintf(stderr, "fcvm-agent: %s\n", e->text);
	if (a->port >= 0)
		agent_send(a, json_pack("{s:s, s:s}", "type", "FATAL", "error", e->text));
	a->done = true;
}

void agent_send_answer(struct agent *a, json_int_t id, json_t *answer)
{
	json_object_set_new(answer, "type", json_string("ANSWER"));
	json_object_set_new(answer, "id", json_integer(id));
	agent_send(a, answer);
}

static void answer(struct agent *a, const json_t *question)
{
	json_t *m = agent_answer(a, question);

	if (m)
		agent_send_answer(a, json_integer_value(json_object_get(question, "id")), m);
}

static int control(struct agent *a, const struct frame *f, struct err *e)
{
	auto_json json_t *m = NULL;
	const char *type;
	int r = proto_text_add(&a->control, f);

	if (r < 0)
		return err_set(e, FCVM_EX_FAIL, "the host sent a control message that is too long");
	if (r == 0)
		return 0;
	m = json_parse(a->control.buf, a->control.len, "a control message", e);
	proto_text_clear(&a->control);
	if (!m)
		return -1;
	type = json_string_value(json_object_get(m, "type"));
	if (type && !strcmp(type, "PLAN"))
		return agent_plan(a, m, e);
	if (type && !strcmp(type, "RESUME"))
		return agent_resume(a, m, e);
	if (type && !strcmp(type, "TIME"))
		return agent_time(a, m, e);
	if (type && !strcmp(type, "TEMPLATE"))
		return agent_template(a, m, e);
	if (type && !strcmp(type, "ASK"))
		answer(a, m);
	else if (type && !strcmp(type, "FREEZE"))
		agent_freeze(a, json_is_true(json_object_get(m, "disk")));
	else if (type && !strcmp(type, "THAW"))
		agent_unfreeze(a);
	else if (type && !strcmp(type, "BYE"))
		a->done = true;
	else
		return err_set(
		        e, FCVM_EX_FAIL, "the host sent an unknown message '%s'", type ? type : "");
	return 0;
}

static int dispatch(struct agent *a, const struct frame *f, struct err *e)
{
	if (f->type == PROTO_CONTROL)
		return control(a, f, e);
	if (f->channel != a->container.channel)
		return exec_frame(a, f, e);
	if (f->type == PROTO_SIGNAL) {
		agent_signal_container(a, f->data[0]);
		return 0;
	}
	if (f->type == PROTO_WINSIZE) { /* the terminal may still be on its way */
		a->rows = proto_le16(f->data);
		a->cols = proto_le16(f->data + 2);
	}
	if (session_frame(&a->container, f) < 0)
		return err_set(e, FCVM_EX_FAIL, "the host broke the protocol");
	return 0;
}

static void port_event(void *ctx, uint32_t events);

/* A save of the machine ends a stream that was dialled, here and in each clone; nothing is under
 * way then. The host waits for the next one. */
static bool dial_again(struct agent *a)
{
	struct err e;

	if (!agent_port_is_dialled(a))
		return false;
	loop_drop(&a->loop, &a->port_watch, &a->port);
	a->in.start = a->in.end = 0;
	a->port = early_port(GUEST_PORT_AGENT, &e);
	return a->port >= 0 &&
	       loop_add(&a->loop, &a->port_watch, a->port, EPOLLIN, port_event, a) == 0;
}

bool agent_port_is_dialled(const struct agent *a)
{
	struct stat st;

	return a->port >= 0 && fstat(a->port, &st) == 0 && S_ISSOCK(st.st_mode);
}

void agent_receive(struct agent *a)
{
	struct err e;
	struct frame f;
	size_t space;
	uint8_t *p = proto_in_space(&a->in, &space);
	ssize_t n = read(a->port, p, space);
	int r;

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		a->done = !dial_again(a); /* or nobody is left to run for */
		return;
	}
	proto_in_filled(&a->in, (size_t)n);
	while ((r = proto_next(&a->in, &f)) == 1 && dispatch(a, &f, &e) == 0)
		;
	if (r == -EPROTO)
		err_set(&e, FCVM_EX_FAIL, "the host sent something that is not the protocol");
	if (r != 0)
		agent_fatal(a, &e);
}

static void resume(struct agent *a)
{
	session_resume(&a->container);
	exec_resume(a);
}

static void port_event(void *ctx, uint32_t events)
{
	struct agent *a = ctx;

	if (events & (EPOLLIN | EPOLLHUP | EPOLLERR))
		agent_receive(a);
	if (a->port < 0 || proto_flush(&a->out, a->port) < 0)
		a->done = true;
	if (a->out.end - a->out.start < LOW_WATER)
		resume(a);
	want_port(a);
}

int agent_connect(struct agent *a, struct err *e)
{
	struct utsname u;

	if (loop_add(&a->loop, &a->port_watch, a->port, EPOLLIN, port_event, a) < 0)
		return err_sys(e, "cannot watch the port");
	uname(&u);
	agent_send(
	        a, json_pack("{s:s, s:i, s:s, s:s, s:b}", "type", "HELLO", "proto", PROTO_VERSION,
	                   "version", FCVM_VERSION, "release", u.release, "image", a->have_image));
	return 0;
}
