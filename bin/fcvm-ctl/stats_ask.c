/* SPDX-License-Identifier: MIT */
#include "stats_ask.h"
#include "cleanup.h"
#include "json.h"
#include "status.h"
#include "strv.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static int64_t now(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

static void clear(struct subject *s)
{
	control_close(&s->c);
	free(s->name);
	free(s->dir);
}

void subjects_free(struct subjects *s)
{
	for (size_t i = 0; i < s->n; i++)
		clear(&s->v[i]);
	free(s->v);
	*s = (struct subjects){0};
}

static struct subject *find(struct subjects *s, const struct vm *vm)
{
	for (size_t i = 0; i < s->n; i++)
		if (s->v[i].pid == vm_number(vm, "pid") &&
		        s->v[i].created == vm_number(vm, "created"))
			return &s->v[i];
	return NULL;
}

static struct subject *add(struct subjects *s, const struct vm *vm)
{
	struct subject *bigger = reallocarray(s->v, s->n + 1, sizeof *s->v);

	if (!bigger)
		abort();
	s->v = bigger;
	s->v[s->n] = (struct subject){
	        .pid = vm_number(vm, "pid"), .created = vm_number(vm, "created"), .c = {.fd = -1}};
	return &s->v[s->n++];
}

void subjects_update(struct subjects *s, const struct vms *vms, bool more)
{
	for (size_t i = 0; i < vms->n; i++) {
		const struct vm *vm = &vms->v[i];
		struct subject *one = find(s, vm);

		if (!one && !more)
			continue;
		if (!one)
			one = add(s, vm);
		free(one->name);
		free(one->dir);
		one->name = xstrdup(vm->name);
		one->dir = xstrdup(vm->dir);
		one->started = vm_number(vm, "started");
		one->memory = vm_number(vm, "memory");
	}
}

/* A VM that is not ready to be asked is asked the next time. */
static void ask(struct subject *s)
{
	struct err e = {.status = FCVM_EX_OK};

	s->known = false;
	if (s->asked)
		return;
	if (control_connect(s->dir, &s->c, &e) == 0 &&
	        control_send(&s->c, json_pack("{s:s}", "type", "STATS"), &e) == 0) {
		s->asked = true;
		return;
	}
	control_close(&s->c);
	s->gone = e.status == FCVM_EX_NOTFOUND;
}

static int64_t number(const json_t *answer, const char *key)
{
	json_int_t n = json_integer_value(json_object_get(answer, key));

	return n > 0 ? n : 0;
}

static void take(struct subject *s, const json_t *a)
{
	struct sample new = {.time = number(a, "time"),
	        .cpu_usec = number(a, "cpuUsec"),
	        .memory = number(a, "memory"),
	        .memory_limit = number(a, "memoryLimit"),
	        .pids = number(a, "pids"),
	        .block_in = number(a, "blockIn"),
	        .block_out = number(a, "blockOut"),
	        .net_in = number(a, "netIn"),
	        .net_out = number(a, "netOut")};

	if (!new.memory_limit)
		new.memory_limit = s->memory;
	/* A container that was restarted has a new machine, whose clock began anew. */
	if (s->n && (new.time <= s->last.time || new.cpu_usec < s->last.cpu_usec))
		s->n = 0;
	s->before = s->last;
	s->last = new;
	s->n = s->n ? 2 : 1;
	s->known = true;
}

static void hear(struct subject *s)
{
	struct err e = {.status = FCVM_EX_OK};
	bool ended = false;
	auto_json json_t *answer = control_receive(&s->c, 1000, &ended, &e);

	if (answer)
		take(s, json_object_get(answer, "answer"));
	control_close(&s->c);
	s->asked = false;
	s->gone = ended;
}

static void sweep(struct subjects *s)
{
	size_t kept = 0;

	for (size_t i = 0; i < s->n; i++) {
		if (s->v[i].gone)
			clear(&s->v[i]);
		else
			s->v[kept++] = s->v[i];
	}
	s->n = kept;
}

bool subjects_ask(struct subjects *s, int timeout_ms, int wake_fd)
{
	int64_t until = now(CLOCK_MONOTONIC) + (int64_t)timeout_ms * 1000000, left;
	auto_free struct pollfd *p = xcalloc(s->n + 1, sizeof *p);
	bool waiting = true, woken = false;

	for (size_t i = 0; i < s->n; i++)
		ask(&s->v[i]);
	while (waiting && !woken && (left = until - now(CLOCK_MONOTONIC)) > 0) {
		waiting = false;
		p[s->n] = (struct pollfd){.fd = wake_fd, .events = POLLIN};
		for (size_t i = 0; i < s->n; i++) {
			p[i] = (struct pollfd){
			        .fd = s->v[i].asked ? s->v[i].c.fd : -1, .events = POLLIN};
			waiting |= s->v[i].asked;
		}
		if (!waiting || poll(p, s->n + 1, (int)(left / 1000000) + 1) <= 0)
			continue;
		for (size_t i = 0; i < s->n; i++)
			if (p[i].revents)
				hear(&s->v[i]);
		woken = p[s->n].revents != 0;
	}
	sweep(s);
	return !woken;
}

double subject_cpu_average(const struct subject *s)
{
	int64_t ns = now(CLOCK_REALTIME) - s->started;

	if (!s->started || ns <= 0)
		return 0;
	return (double)s->last.cpu_usec * 1000 / (double)ns * 100;
}

double subject_cpu(const struct subject *s)
{
	if (s->n < 2)
		return subject_cpu_average(s);
	return (double)(s->last.cpu_usec - s->before.cpu_usec) * 1000 /
	       (double)(s->last.time - s->before.time) * 100;
}
