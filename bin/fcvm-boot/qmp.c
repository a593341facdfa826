/* SPDX-License-Identifier: MIT */
#include "qmp.h"
#include "cleanup.h"
#include "clock.h"
#include "fds.h"
#include "json.h"
#include "status.h"
#include "strv.h"

#include <poll.h>
#include <string.h>
#include <sys/socket.h>

void qmp_init(struct qmp *q, int fd, int timeout_ms)
{
	*q = (struct qmp){.fd = fd, .until_ms = clock_ms() + timeout_ms};
	q->buf = xcalloc(1, QMP_LINE_MAX);
}

void qmp_free(struct qmp *q)
{
	free(q->buf);
	q->buf = NULL;
}

char *qmp_space(struct qmp *q, size_t *n)
{
	if (q->start) {
		memmove(q->buf, q->buf + q->start, q->end - q->start);
		q->end -= q->start;
		q->start = 0;
	}
	*n = QMP_LINE_MAX - q->end;
	return q->buf + q->end;
}

void qmp_filled(struct qmp *q, size_t n)
{
	q->end += n;
}

int qmp_next(struct qmp *q, json_t **message, struct err *e)
{
	char *line = q->buf + q->start;
	char *nl = memchr(line, '\n', q->end - q->start);

	if (!nl)
		return q->end - q->start < QMP_LINE_MAX
		               ? 0
		               : err_set(e, FCVM_EX_FAIL, "the monitor said a line too long");
	q->start += (size_t)(nl - line) + 1;
	*message = json_parse(line, (size_t)(nl - line), "what the monitor said", e);
	return *message ? 1 : -1;
}

int qmp_send(struct qmp *q, json_t *command, int fd, struct err *e)
{
	auto_json json_t *c = command;
	auto_free char *text = json_dumps(c, JSON_COMPACT);
	int r = text ? fds_send(q->fd, text, strlen(text), &fd, fd >= 0) : -ENOMEM;

	if (r >= 0)
		return 0;
	errno = -r;
	return err_sys(e, "cannot ask the monitor");
}

/* The next message of any kind. */
static json_t *wait_message(struct qmp *q, struct err *e)
{
	json_t *message = NULL;
	int r;

	while ((r = qmp_next(q, &message, e)) == 0) {
		int64_t left = q->until_ms - clock_ms();
		struct pollfd p = {.fd = q->fd, .events = POLLIN};
		size_t space;
		char *at = qmp_space(q, &space);
		ssize_t n;

		if (left <= 0 || (poll(&p, 1, (int)left) < 0 && errno != EINTR)) {
			err_set(e, FCVM_EX_FAIL, "the monitor does not answer");
			return NULL;
		}
		n = recv(q->fd, at, space, MSG_DONTWAIT);
		if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) {
			err_set(e, FCVM_EX_FAIL, "the monitor is gone");
			return NULL;
		}
		if (n > 0)
			qmp_filled(q, (size_t)n);
	}
	return message;
}

static int refused(const json_t *message, struct err *e)
{
	const json_t *error = json_object_get(message, "error");
	const char *why = json_string_value(json_object_get(error, "desc"));

	return error ? err_set(e, FCVM_EX_FAIL, "the monitor refuses: %s",
	                       why ? why : "(no reason)")
	             : 0;
}

json_t *qmp_reply(struct qmp *q, struct err *e)
{
	for (;;) {
		auto_json json_t *m = wait_message(q, e);
		json_t *value;

		if (!m || refused(m, e) < 0)
			return NULL;
		value = json_object_get(m, "return");
		if (value)
			return json_incref(value);
	}
}

json_t *qmp_event(struct qmp *q, const char *name, struct err *e)
{
	for (;;) {
		auto_json json_t *m = wait_message(q, e);
		const char *event = json_string_value(json_object_get(m, "event"));
		json_t *data = json_object_get(m, "data");

		if (!m || refused(m, e) < 0)
			return NULL;
		if (event && !strcmp(event, name))
			return data ? json_incref(data) : json_null();
	}
}

int qmp_simple(struct qmp *q, const char *name, struct err *e)
{
	json_t *value;

	if (qmp_send(q, json_pack("{s:s}", "execute", name), -1, e) < 0)
		return -1;
	value = qmp_reply(q, e);
	json_decref(value);
	return value ? 0 : -1;
}
