/* SPDX-License-Identifier: MIT */
#include "cleanup.h"
#include "json.h"
#include "status.h"
#include "streams_own.h"

#include <signal.h>
#include <string.h>
#include <sys/socket.h>

#define STDIN_CHUNK ((size_t)32 << 10)

static void trouble(struct carrier *s, const char *what)
{
	if (!s->trouble.status)
		err_set(&s->trouble, FCVM_EX_FAIL, "the VM's answer is not the protocol: %s", what);
	s->closed = s->mute = true;
}

static void grant(struct carrier *s, int i, size_t n)
{
	proto_put_credit(&s->out, CONTROL_CHANNEL, i ? PROTO_ERR : PROTO_OUT, (uint32_t)n);
	s->granted[i] += n;
}

static void send_control(struct carrier *s, const char *type)
{
	auto_json json_t *j = json_pack("{s:s}", "type", type);
	auto_free char *text = json_dumps(j, JSON_COMPACT);

	proto_put_text(&s->out, 0, PROTO_CONTROL, text, strlen(text));
}

static void run(struct carrier *s, const json_t *j)
{
	s->running = true;
	s->tty = json_is_true(json_object_get(j, "tty"));
	s->interactive = json_is_true(json_object_get(j, "interactive")) && !s->o->keep_stdin;
	if (s->o->leave != DETACH_NEVER) { /* the log keeps what is written until then */
		grant(s, 0, SINK_WINDOW);
		grant(s, 1, SINK_WINDOW);
		return;
	}
	s->stdin_open = s->interactive;
	s->want_raw = s->tty && s->interactive;
	for (int i = 0; i < (s->tty ? 1 : 2); i++) {
		s->sink[i] = sink_new(i ? STDERR_FILENO : STDOUT_FILENO, s->wake);
		if (s->sink[i])
			grant(s, i, SINK_WINDOW);
	}
	if (s->tty)
		streams_resize(s);
}

void streams_detach(struct carrier *s)
{
	send_control(s, "DETACH");
	s->stdin_open = false;
}

static void leave(struct carrier *s)
{
	s->left = true;
	streams_detach(s);
}

static void refused(struct carrier *s, const json_t *j)
{
	const char *why = json_string_value(json_object_get(j, "error"));
	json_int_t status = json_integer_value(json_object_get(j, "status"));

	err_set(&s->trouble, status > 0 && status < 256 ? (int)status : FCVM_EX_FAIL, "%s",
	        why ? why : "the VM refused without a reason");
	s->closed = s->mute = true;
}

static void control(struct carrier *s, const struct frame *f)
{
	auto_json json_t *j = NULL;
	const char *type;
	int r = proto_text_add(&s->c->text, f);

	if (r < 0)
		trouble(s, "a message is too long");
	if (r != 1)
		return;
	j = json_parse(s->c->text.buf, s->c->text.len, "message", NULL);
	proto_text_clear(&s->c->text);
	type = json_string_value(json_object_get(j, "type"));
	if (!type)
		trouble(s, "a message without a type");
	else if (!strcmp(type, "ERROR"))
		refused(s, j);
	else if (!strcmp(type, "RUN") && !s->running)
		run(s, j);
	else if ((!strcmp(type, "STARTED") && s->o->leave == DETACH_STARTED) ||
	         (!strcmp(type, "HEALTHY") && s->o->leave == DETACH_HEALTHY))
		leave(s);
	else if (!strcmp(type, "DETACHED") && !s->reported)
		s->end->detached = s->closed = s->mute = true;
}

static void process_exit(struct carrier *s, const struct frame *f)
{
	auto_json json_t *j = NULL;
	const char *why;
	int r = proto_text_add(&s->exit_text, f);

	if (r < 0)
		trouble(s, "the exit report is too long");
	if (r != 1)
		return;
	j = json_parse(s->exit_text.buf, s->exit_text.len, "exit report", NULL);
	proto_text_clear(&s->exit_text);
	s->end->status = (int)json_integer_value(json_object_get(j, "status")) & 255;
	why = json_string_value(json_object_get(j, "error"));
	snprintf(s->end->error, sizeof s->end->error, "%s", why ? why : "");
	s->reported = true;
	s->stdin_open = false;
	for (int i = 0; i < 2; i++)
		if (s->sink[i])
			sink_finish(s->sink[i]);
}

/* No more than there is credit for. */
static void send_input(struct carrier *s, const char *data, size_t n)
{
	s->stdin_credit -= n;
	if (n)
		proto_put(&s->out, CONTROL_CHANNEL, PROTO_DATA, PROTO_IN, data, n);
}

static void send_ahead(struct carrier *s)
{
	size_t n = s->n_ahead < s->stdin_credit ? s->n_ahead : (size_t)s->stdin_credit;

	send_input(s, s->ahead, n);
	s->n_ahead -= n;
	memmove(s->ahead, s->ahead + n, s->n_ahead);
}

/* What the container does not take yet, perhaps because it has not begun. What does not fit is
 * lost, as in a terminal that nobody reads. */
static void type_ahead(struct carrier *s, const char *data, size_t n)
{
	size_t room = sizeof s->ahead - s->n_ahead;

	if (n > room)
		n = room;
	memcpy(s->ahead + s->n_ahead, data, n);
	s->n_ahead += n;
}

static void stream(struct carrier *s, const struct frame *f)
{
	int i = frame_stream(f) == PROTO_ERR;
	struct sink *k = s->sink[i];

	switch (f->type) {
	case PROTO_DATA:
		if (f->len > s->granted[i] || (k && !sink_put(k, f->data, f->len)))
			trouble(s, "more output than was granted");
		else
			s->granted[i] -= f->len;
		if (!k)
			grant(s, i, f->len);
		break;
	case PROTO_EOF:
		if (k)
			sink_finish(k);
		break;
	case PROTO_CREDIT:
		s->stdin_credit += proto_le32(f->data);
		send_ahead(s);
		break;
	case PROTO_RESET:
		s->stdin_open = false;
		break;
	case PROTO_EXIT:
		process_exit(s, f);
		break;
	default:
		trouble(s, "a frame out of turn");
	}
}

void streams_receive(struct carrier *s)
{
	struct frame f;
	size_t space;
	uint8_t *p = proto_in_space(&s->c->in, &space);
	ssize_t n = recv(s->c->fd, p, space, MSG_DONTWAIT);
	int r;

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		s->closed = s->mute = true;
		return;
	}
	proto_in_filled(&s->c->in, (size_t)n);
	while (!s->closed && (r = proto_next(&s->c->in, &f)) != 0) {
		if (r < 0)
			trouble(s, "not a frame");
		else if (f.type == PROTO_CONTROL)
			control(s, &f);
		else if (f.channel == CONTROL_CHANNEL)
			stream(s, &f);
		else
			trouble(s, "an unknown channel");
	}
}

/* Looks for the detach keys in what was typed; what only began like them is passed on with what
 * follows. Returns the count of bytes now in `to`, which holds the keys' length more than n. */
static size_t take_keys(struct carrier *s, const char *typed, size_t n, char *to)
{
	const char *keys = s->o->detach_keys;
	size_t len = keys && s->tty ? strlen(keys) : 0, out = 0;

	for (size_t i = 0; i < n; i++) {
		if (len && typed[i] == keys[s->keys_seen]) {
			if (++s->keys_seen == len) {
				s->keys_seen = 0;
				streams_detach(s);
				return out;
			}
			continue;
		}
		for (size_t k = 0; k < s->keys_seen; k++)
			to[out++] = keys[k];
		s->keys_seen = len && typed[i] == keys[0];
		if (!s->keys_seen)
			to[out++] = typed[i];
	}
	return out;
}

void streams_stdin(struct carrier *s)
{
	char buf[STDIN_CHUNK], out[STDIN_CHUNK + 64];
	size_t want = s->stdin_credit < sizeof buf + 64 ? (size_t)s->stdin_credit : sizeof buf;
	ssize_t n;

	/* Held back detach keys may come on top. */
	want = want > 64 ? (want < sizeof buf ? want - 64 : sizeof buf) : 64;
	n = read(STDIN_FILENO, buf, want);
	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return;
	if (n < 0 && errno == EIO && !tty_is_ours(STDIN_FILENO)) {
		/* The end needs no terminal: stopped, it would not be seen. */
		if (s->asked_to_end)
			s->stdin_open = false;
		if (s->asked_to_end || tty_stop(SIGTTIN))
			return;
	}
	if (n > 0) {
		size_t m = take_keys(s, buf, (size_t)n, out);

		if (s->n_ahead || m > s->stdin_credit)
			type_ahead(s, out, m);
		else
			send_input(s, out, m);
		return;
	}
	proto_put(&s->out, CONTROL_CHANNEL, PROTO_EOF, PROTO_IN, NULL, 0);
	s->stdin_open = false;
}

void streams_outputs(struct carrier *s)
{
	for (int i = 0; i < 2; i++) {
		size_t n;

		if (!s->sink[i] || s->reported)
			continue;
		n = sink_taken(s->sink[i]);
		if (sink_broken(s->sink[i])) {
			if (!s->reset_sent[i])
				proto_put(&s->out, CONTROL_CHANNEL, PROTO_RESET,
				        i ? PROTO_ERR : PROTO_OUT, NULL, 0);
			s->reset_sent[i] = true;
		} else if (n) {
			grant(s, i, n);
		}
	}
}

void streams_signal(struct carrier *s, int sig)
{
	uint8_t byte = (uint8_t)sig;

	proto_put(&s->out, CONTROL_CHANNEL, PROTO_SIGNAL, 0, &byte, 1);
}

void streams_resize(struct carrier *s)
{
	uint16_t rows, cols;
	uint8_t le[4];

	tty_size(&rows, &cols);
	if (!rows || !cols)
		return;
	le[0] = (uint8_t)rows;
	le[1] = (uint8_t)(rows >> 8);
	le[2] = (uint8_t)cols;
	le[3] = (uint8_t)(cols >> 8);
	proto_put(&s->out, CONTROL_CHANNEL, PROTO_WINSIZE, 0, le, sizeof le);
}
