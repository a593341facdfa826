/* SPDX-License-Identifier: MIT
 * The host's side of fcvm-proto(7). Nothing the agent says is believed beyond what it may say: a
 * violation ends the machine. */
#include "cleanup.h"
#include "json.h"
#include "supervise.h"
#include "version.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define STDIN_CHUNK ((size_t)32 << 10)

static void send_control(struct machine *m, json_t *message)
{
	auto_json json_t *j = message;
	auto_free char *text = json_dumps(j, JSON_COMPACT);

	if (!text || proto_put_text(&m->out, 0, PROTO_CONTROL, text, strlen(text)) < 0)
		m->violation = "it does not read what it is sent";
}

static void grant(struct machine *m, int i, size_t n)
{
	proto_put_credit(&m->out, MAIN_CHANNEL, i ? PROTO_ERR : PROTO_OUT, (uint32_t)n);
	m->granted[i] += n;
}

static void send_plan(struct machine *m)
{
	uint16_t rows = 0, cols = 0;
	struct timespec ts;
	json_t *j;

	clock_gettime(CLOCK_REALTIME, &ts);
	j = json_pack("{s:s, s:I, s:O}", "type", "PLAN", "time",
	        (json_int_t)ts.tv_sec * 1000000000 + ts.tv_nsec, "plan", m->o->plan);
	if (m->terminal) {
		tty_size(&rows, &cols);
		json_object_set_new(j, "rows", json_integer(rows));
		json_object_set_new(j, "cols", json_integer(cols));
	}
	send_control(m, j);
	for (int i = 0; i < 2; i++)
		if (m->sink[i])
			grant(m, i, SINK_WINDOW);
}

static void hello(struct machine *m, const json_t *j)
{
	if (json_integer_value(json_object_get(j, "proto")) != PROTO_VERSION) {
		m->violation = "its agent speaks another protocol version: run 'fcvm setup' again";
		return;
	}
	m->phase = PHASE_RUN;
	m->deadline_ms = -1;
	if (m->o->plan) {
		send_plan(m);
		return;
	}
	m->deadline_ms = supervise_now() + END_MS;
	send_control(m, json_pack("{s:s}", "type", "BYE"));
}

static void keep_error(struct machine *m, const json_t *j)
{
	const char *text = json_string_value(json_object_get(j, "error"));

	snprintf(m->error, sizeof m->error, "%s", text ? text : "(no reason given)");
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
	if (!type) {
		m->violation = "it sent a control message that is not understood";
	} else if (!strcmp(type, "HELLO") && m->phase == PHASE_BOOT) {
		hello(m, j);
	} else if (!strcmp(type, "FATAL")) {
		m->fatal = true;
		keep_error(m, j);
	} else if (strcmp(type, "STARTED") && strcmp(type, "LOG")) {
		m->violation = "it sent a control message out of turn";
	}
}

static void container_exit(struct machine *m, const struct frame *f)
{
	auto_json json_t *j = NULL;
	json_int_t status;
	int r = proto_text_add(&m->exit_text, f);

	if (r < 0)
		m->violation = "its exit report is too long";
	if (r != 1)
		return;
	j = json_parse(m->exit_text.buf, m->exit_text.len, "exit report", NULL);
	proto_text_clear(&m->exit_text);
	status = json_integer_value(json_object_get(j, "status"));
	if (!json_is_integer(json_object_get(j, "status")) || status < 0 || status > 255) {
		m->violation = "its exit report has no status";
		return;
	}
	m->status = (int)status;
	m->oom = json_is_true(json_object_get(j, "oom"));
	m->failed = json_object_get(j, "error") != NULL;
	if (m->failed)
		keep_error(m, j);
	m->reported = true;
	m->phase = PHASE_END;
	send_control(m, json_pack("{s:s}", "type", "BYE"));
}

/* A frame of one of the container's outputs. */
static void output(struct machine *m, const struct frame *f)
{
	int i = frame_stream(f) == PROTO_ERR;
	struct sink *s = m->sink[i];

	if (f->type == PROTO_EOF) {
		if (s)
			sink_finish(s);
	} else if (f->type != PROTO_DATA) {
		m->violation = "it sent a frame that only the receiver of a stream sends";
	} else if (!s || f->len > m->granted[i] || !sink_put(s, f->data, f->len)) {
		m->violation = "it sent more output than it was granted";
	} else {
		m->granted[i] -= f->len;
	}
}

static void stream(struct machine *m, const struct frame *f)
{
	if (f->type == PROTO_OPEN || f->type == PROTO_WINSIZE || f->type == PROTO_SIGNAL)
		m->violation = "it sent a frame that only a host sends";
	else if (frame_stream(f) != PROTO_IN)
		output(m, f);
	else if (f->type == PROTO_CREDIT)
		m->stdin_credit += proto_le32(f->data);
	else if (f->type == PROTO_RESET)
		m->stdin_open = false;
	else
		m->violation = "it sent a frame that only the sender of a stream sends";
}

static void handle(struct machine *m, const struct frame *f)
{
	if (f->type == PROTO_CONTROL) {
		control(m, f);
	} else if (f->channel != MAIN_CHANNEL || m->phase != PHASE_RUN || !m->o->plan) {
		if (m->phase != PHASE_END)
			m->violation = "it used a channel that is not open";
	} else if (f->type == PROTO_EXIT) {
		container_exit(m, f);
	} else {
		stream(m, f);
	}
}

void dialogue_receive(struct machine *m)
{
	struct frame f;
	size_t space;
	uint8_t *p = proto_in_space(&m->in, &space);
	ssize_t n = recv(m->vmm->agent, p, space, MSG_DONTWAIT);
	int r;

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		m->agent_closed = true;
		return;
	}
	proto_in_filled(&m->in, (size_t)n);
	while (!m->violation && (r = proto_next(&m->in, &f)) != 0) {
		if (r < 0)
			m->violation = "it sent something that is not the protocol";
		else
			handle(m, &f);
	}
}

void dialogue_stdin(struct machine *m)
{
	char buf[STDIN_CHUNK];
	size_t want = m->stdin_credit < sizeof buf ? (size_t)m->stdin_credit : sizeof buf;
	ssize_t n = read(STDIN_FILENO, buf, want);

	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return;
	if (n < 0 && errno == EIO && !m->stopping && !tty_is_ours(STDIN_FILENO) &&
	        tty_stop(SIGTTIN))
		return;
	if (n > 0) {
		m->stdin_credit -= (uint64_t)n;
		proto_put(&m->out, MAIN_CHANNEL, PROTO_DATA, PROTO_IN, buf, (size_t)n);
		return;
	}
	proto_put(&m->out, MAIN_CHANNEL, PROTO_EOF, PROTO_IN, NULL, 0);
	m->stdin_open = false;
}

void dialogue_outputs(struct machine *m)
{
	for (int i = 0; i < 2; i++) {
		size_t n;

		if (!m->sink[i] || m->phase != PHASE_RUN)
			continue;
		n = sink_taken(m->sink[i]);
		if (sink_broken(m->sink[i])) {
			if (!m->reset_sent[i])
				proto_put(&m->out, MAIN_CHANNEL, PROTO_RESET,
				        i ? PROTO_ERR : PROTO_OUT, NULL, 0);
			m->reset_sent[i] = true;
		} else if (n) {
			grant(m, i, n);
		}
	}
}

void dialogue_signal(struct machine *m, int sig)
{
	uint8_t byte = (uint8_t)sig;

	proto_put(&m->out, MAIN_CHANNEL, PROTO_SIGNAL, 0, &byte, 1);
}

void dialogue_resize(struct machine *m)
{
	uint16_t rows, cols;
	uint8_t le[4];

	tty_size(&rows, &cols);
	le[0] = (uint8_t)rows;
	le[1] = (uint8_t)(rows >> 8);
	le[2] = (uint8_t)cols;
	le[3] = (uint8_t)(cols >> 8);
	proto_put(&m->out, MAIN_CHANNEL, PROTO_WINSIZE, 0, le, sizeof le);
}
