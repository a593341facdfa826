/* SPDX-License-Identifier: MIT
 * Calls: processes beside the container's own. A call's frames pass between its client and the
 * agent unchanged but for the channel; that neither sends more than the other has granted is
 * checked here, so that a client cannot bring its VM down, nor a guest fill this process. */
#include "cleanup.h"
#include "json.h"
#include "status.h"
#include "supervise.h"

#include <errno.h>
#include <string.h>

#define CALLS_MAX 2000

static struct call *find(struct machine *m, uint16_t channel)
{
	struct call *k = m->calls;

	while (k && k->channel != channel)
		k = k->next;
	return k;
}

static uint16_t free_channel(struct machine *m)
{
	do
		if (++m->last_channel <= CONTAINER_CHANNEL)
			m->last_channel = CONTAINER_CHANNEL + 1;
	while (find(m, m->last_channel));
	return m->last_channel;
}

struct call *call_new(struct machine *m, const json_t *request, struct conn *owner, struct err *e)
{
	auto_free char *text = json_dumps(request, JSON_COMPACT);
	struct call *k;
	size_t n = 0;

	for (k = m->calls; k; k = k->next)
		n++;
	if (n >= CALLS_MAX || !text) {
		err_set(e, FCVM_EX_FAIL, "more than %d processes at once", CALLS_MAX);
		return NULL;
	}
	k = calloc(1, sizeof *k);
	if (!k) {
		err_sys(e, "cannot start a process");
		return NULL;
	}
	k->channel = free_channel(m);
	k->owner = owner;
	k->tty = json_is_true(json_object_get(request, "tty"));
	k->interactive = json_is_true(json_object_get(request, "interactive"));
	k->detach = json_is_true(json_object_get(request, "detach"));
	k->next = m->calls;
	m->calls = k;
	if (proto_put_text(&m->out, k->channel, PROTO_OPEN, text, strlen(text)) < 0) {
		m->calls = k->next;
		free(k);
		err_set(e, FCVM_EX_FAIL, "the guest does not read what it is sent");
		return NULL;
	}
	return k;
}

static void forget(struct machine *m, struct call *k)
{
	struct call **at = &m->calls;

	while (*at != k)
		at = &(*at)->next;
	*at = k->next;
	proto_text_clear(&k->exit_text);
	free(k);
}

/* Nobody listens: what comes is dropped. */
static void let_flow(struct machine *m, struct call *k)
{
	for (int i = 0; i < (k->tty ? 1 : 2); i++) {
		uint32_t n = (uint32_t)(WINDOW - (k->granted[i] < WINDOW ? k->granted[i] : WINDOW));

		if (n < WINDOW / 2)
			continue;
		k->granted[i] += n;
		proto_put_credit(&m->out, k->channel, i ? PROTO_ERR : PROTO_OUT, n);
	}
}

void call_started(struct machine *m, uint16_t channel)
{
	struct call *k = find(m, channel);

	if (!k)
		return;
	if (!k->owner) {
		let_flow(m, k);
	} else if (k->detach) {
		hub_tell(k->owner, json_pack("{s:s}", "type", "DETACHED"));
		k->owner->closing = true;
		k->owner->call = NULL;
		k->owner = NULL;
		let_flow(m, k);
	} else {
		hub_tell(k->owner, json_pack("{s:s}", "type", "STARTED"));
	}
}

static void tell_over(struct call *k, int status, const char *error)
{
	auto_json json_t *j = json_pack("{s:i, s:s*}", "status", status, "error", error);
	auto_free char *text = json_dumps(j, JSON_COMPACT);

	if (!k->owner || !text)
		return;
	proto_put_text(&k->owner->out, CONTAINER_CHANNEL, PROTO_EXIT, text, strlen(text));
	k->owner->closing = true;
	k->owner->call = NULL;
}

static void call_exit(struct machine *m, struct call *k, const struct frame *f)
{
	const char *error;
	int status;
	auto_json json_t *j = dialogue_exit(m, &k->exit_text, f, &status);
	void (*over)(struct machine * machine, int result, const char *why);

	if (!j)
		return;
	error = json_string_value(json_object_get(j, "error"));
	tell_over(k, status, error);
	over = k->over;
	forget(m, k);
	if (over)
		over(m, status, error);
}

static void output(struct machine *m, struct call *k, const struct frame *f)
{
	int i = frame_stream(f) == PROTO_ERR;

	if (f->type == PROTO_DATA) {
		if (f->len > k->granted[i]) {
			m->violation = "it sent more output than it was granted";
			return;
		}
		k->granted[i] -= f->len;
	}
	if (k->owner)
		proto_put(&k->owner->out, CONTAINER_CHANNEL, (enum proto_type)f->type, f->flags,
		        f->data, f->len);
	else
		let_flow(m, k);
}

static void input(struct machine *m, struct call *k, const struct frame *f)
{
	if (f->type == PROTO_CREDIT) {
		k->in_granted += proto_le32(f->data);
		if (k->in_granted > CREDIT_MAX) {
			m->violation = "it grants more input than there can be";
			return;
		}
	}
	if (k->owner)
		proto_put(&k->owner->out, CONTAINER_CHANNEL, (enum proto_type)f->type, f->flags,
		        f->data, f->len);
}

bool call_frame(struct machine *m, const struct frame *f)
{
	struct call *k = find(m, f->channel);

	if (!k)
		return false;
	if (f->type == PROTO_EXIT)
		call_exit(m, k, f);
	else if (frame_stream(f) == PROTO_IN)
		input(m, k, f);
	else
		output(m, k, f);
	return true;
}

int call_client_frame(struct conn *c, const struct frame *f)
{
	struct call *k = c->call;
	int i = frame_stream(f) == PROTO_ERR;

	if (!k) /* it has ended while this was under way */
		return 0;
	switch (f->type) {
	case PROTO_DATA:
		if (f->len > k->in_granted || k->in_eof)
			return -EPROTO;
		k->in_granted -= f->len;
		break;
	case PROTO_EOF:
		k->in_eof = true;
		break;
	case PROTO_CREDIT:
		k->granted[i] += proto_le32(f->data);
		if (k->granted[i] > CREDIT_MAX)
			return -EPROTO;
		break;
	case PROTO_OPEN:
	case PROTO_CLOSE:
		return -EPROTO;
	default:
		break;
	}
	dialogue_put(c->m, k->channel, (enum proto_type)f->type, f->flags, f->data, f->len);
	return 0;
}

void call_leave(struct conn *c)
{
	struct call *k = c->call;

	c->call = NULL;
	if (!k)
		return;
	k->owner = NULL;
	dialogue_put(c->m, k->channel, PROTO_CLOSE, 0, NULL, 0);
}

void call_kill(struct machine *m, uint16_t channel)
{
	if (find(m, channel))
		dialogue_put(m, channel, PROTO_CLOSE, 0, NULL, 0);
}

void call_abandon(struct machine *m, uint16_t channel)
{
	struct call *k = find(m, channel);

	if (!k)
		return;
	k->over = NULL;
	call_kill(m, channel);
}

void calls_end(struct machine *m, int status, const char *error)
{
	while (m->calls) {
		tell_over(m->calls, status, error);
		forget(m, m->calls);
	}
}
