/* SPDX-License-Identifier: MIT */
#include "health.h"
#include "clock.h"
#include "json.h"
#include "snapshot.h"
#include "strv.h"

#include <string.h>

enum state { STARTING, HEALTHY, UNHEALTHY };

struct health {
	const json_t *probe; /* the request of an exec; into the plan */
	int64_t interval_ms, timeout_ms, start_period_ms;
	int retries;
	enum state state;
	int failures;     /* in a row */
	int64_t begun_ms; /* when the container ran */
	int64_t next_ms;  /* of the next probe; -1: none */
	int64_t limit_ms; /* of the probe that runs; -1: none does */
	uint16_t channel;
};

static int64_t milliseconds(const json_t *h, const char *key, int64_t otherwise)
{
	json_int_t v = json_integer_value(json_object_get(h, key));

	return v > 0 ? v : otherwise;
}

void health_init(struct machine *m)
{
	const json_t *h = json_object_get(json_object_get(m->o->plan, "fcvm"), "health");
	json_int_t retries = json_integer_value(json_object_get(h, "retries"));

	if (!json_is_object(h) || !json_is_object(json_object_get(h, "probe")))
		return;
	m->health = xcalloc(1, sizeof *m->health);
	*m->health = (struct health){.probe = json_object_get(h, "probe"),
	        .interval_ms = milliseconds(h, "intervalMs", 30000),
	        .timeout_ms = milliseconds(h, "timeoutMs", 30000),
	        .start_period_ms = milliseconds(h, "startPeriodMs", 0),
	        .retries = retries > 0 && retries < 10000 ? (int)retries : 3,
	        .next_ms = -1,
	        .limit_ms = -1};
}

static void tell(struct machine *m)
{
	for (struct conn *c = m->conns; c; c = c->next)
		if (c->front)
			hub_tell(c, json_pack("{s:s}", "type", "HEALTHY"));
}

static void set(struct machine *m, enum state state)
{
	if (m->health->state == state)
		return;
	m->health->state = state;
	state_write(m);
	if (state == HEALTHY)
		tell(m);
}

static void probe_over(struct machine *m, int status, const char *error)
{
	struct health *h = m->health;
	int64_t now = clock_ms();

	(void)error; /* as any failure */
	if (!h || h->next_ms < 0)
		return;
	h->limit_ms = -1;
	h->next_ms = now + h->interval_ms;
	if (status == 0) {
		h->failures = 0;
		set(m, HEALTHY);
		snapshot_warm(m);
	} else if (h->state != STARTING || now - h->begun_ms >= h->start_period_ms) {
		if (++h->failures >= h->retries)
			set(m, UNHEALTHY);
	}
}

void health_start(struct machine *m)
{
	struct health *h = m->health;

	if (!h) { /* then healthy is what runs */
		tell(m);
		return;
	}
	h->state = STARTING;
	h->failures = 0;
	h->begun_ms = clock_ms();
	h->next_ms = h->begun_ms;
	h->limit_ms = -1;
	if (m->o->healthy && m->restart.count == 0) {
		h->next_ms += h->interval_ms;
		set(m, HEALTHY);
	}
}

void health_stop(struct machine *m)
{
	struct health *h = m->health;

	if (!h)
		return;
	if (h->limit_ms >= 0)
		call_abandon(m, h->channel);
	h->next_ms = h->limit_ms = -1;
}

void health_paused(struct machine *m)
{
	struct health *h = m->health;

	if (!h || m->paused || h->next_ms < 0)
		return;
	/* The time in which nothing could run does not count. */
	h->next_ms = clock_ms() + h->interval_ms;
	if (h->limit_ms >= 0)
		h->limit_ms = clock_ms() + h->timeout_ms;
}

int64_t health_next(const struct machine *m)
{
	const struct health *h = m->health;

	if (!h || h->next_ms < 0 || m->paused)
		return -1;
	return h->limit_ms >= 0 ? h->limit_ms : h->next_ms;
}

void health_due(struct machine *m, int64_t now)
{
	struct health *h = m->health;
	struct call *k;
	struct err e;

	if (health_next(m) < 0 || now < health_next(m) || m->phase != PHASE_RUN)
		return;
	if (h->limit_ms >= 0) { /* its end comes as a failure */
		h->limit_ms = now + h->timeout_ms;
		call_kill(m, h->channel);
		return;
	}
	k = call_new(m, h->probe, NULL, &e);
	if (!k) {
		probe_over(m, 1, NULL);
		return;
	}
	k->over = probe_over;
	h->channel = k->channel;
	h->limit_ms = now + h->timeout_ms;
}

const char *health_word(const struct machine *m)
{
	static const char *const words[] = {"starting", "healthy", "unhealthy"};

	return m->health ? words[m->health->state] : "";
}

void health_free(struct machine *m)
{
	free(m->health);
	m->health = NULL;
}
