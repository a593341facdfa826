/* SPDX-License-Identifier: MIT
 * The client of QEMU's monitor, against a monitor that is played here. */
#include "qmp.h"
#include "tap.h"

#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

static const char greeting[] = "{\"QMP\": {\"version\": {}, \"capabilities\": [\"oob\"]}}\r\n";

/* A client whose monitor has said the text, and then is silent or gone. */
static void monitor(struct qmp *q, int *other, const char *text, bool gone)
{
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0 ||
	        write(pair[1], text, strlen(text)) != (ssize_t)strlen(text))
		abort();
	if (gone)
		shutdown(pair[1], SHUT_WR);
	*other = pair[1];
	qmp_init(q, pair[0], 100);
}

static void end(struct qmp *q, int other)
{
	close(q->fd);
	close(other);
	qmp_free(q);
}

static void replies(void)
{
	struct err e = {.text = ""};
	struct qmp q;
	json_t *value;
	char text[400];
	int other;

	snprintf(text, sizeof text,
	        "%s{\"event\": \"STOP\", \"timestamp\": {}}\r\n{\"return\": {\"n\": 7}}\r\n",
	        greeting);
	monitor(&q, &other, text, false);
	value = qmp_reply(&q, &e);
	is_int(json_integer_value(json_object_get(value, "n")), 7,
	        "a reply is found behind the greeting and an event");
	json_decref(value);
	ok(!qmp_reply(&q, &e), "a monitor that is silent does not hold us for ever");
	is_str(e.text, "the monitor does not answer", "and that is said");
	end(&q, other);

	monitor(&q, &other,
	        "{\"error\": {\"class\": \"GenericError\", \"desc\": \"no such file\"}}\r\n",
	        false);
	is_int(qmp_simple(&q, "stop", &e), -1, "a refusal is a failure");
	is_str(e.text, "the monitor refuses: no such file", "with its reason");
	is_int(read(other, text, sizeof text), 18, "what was sent is the command");
	is_mem(text, 18, "{\"execute\":\"stop\"}", 18, "as JSON");
	end(&q, other);
}

static void events(void)
{
	struct err e = {.text = ""};
	struct qmp q;
	json_t *data;
	char text[400];
	int other;

	snprintf(text, sizeof text,
	        "%s{\"return\": {}}\r\n{\"event\": \"MIGRATION\", \"data\": {\"status\": "
	        "\"setup\"}}\r\n{\"event\": \"RESUME\"}\r\n",
	        greeting);
	monitor(&q, &other, text, true);
	data = qmp_event(&q, "MIGRATION", &e);
	is_str(json_string_value(json_object_get(data, "status")), "setup",
	        "an event has its data");
	json_decref(data);
	data = qmp_event(&q, "RESUME", &e);
	ok(json_is_null(data), "or none");
	json_decref(data);
	ok(!qmp_event(&q, "RESUME", &e), "a monitor that has ended says nothing more");
	is_str(e.text, "the monitor is gone", "and that is said");
	end(&q, other);

	monitor(&q, &other, "{\"error\": {\"desc\": \"cannot load\"}}\r\n", false);
	ok(!qmp_event(&q, "RESUME", &e), "a refusal ends the wait for an event");
	is_str(e.text, "the monitor refuses: cannot load", "with its reason");
	end(&q, other);
}

static void nonsense(void)
{
	struct err e = {.text = ""};
	json_t *message = NULL;
	struct qmp q;
	size_t space;
	char *at;
	int other;

	monitor(&q, &other, "hello\r\n", false);
	ok(!qmp_reply(&q, &e), "what is not JSON is refused");
	end(&q, other);
	monitor(&q, &other, "[1]\r\n", false);
	ok(!qmp_reply(&q, &e), "so is what is no object");
	end(&q, other);

	monitor(&q, &other, "", false);
	for (;;) {
		at = qmp_space(&q, &space);
		if (qmp_next(&q, &message, &e) != 0 || space == 0)
			break;
		memset(at, 'x', space);
		qmp_filled(&q, space);
	}
	is_str(e.text, "the monitor said a line too long", "a line is bounded");
	end(&q, other);
}

int main(void)
{
	replies();
	events();
	nonsense();
	return done();
}
