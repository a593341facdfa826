/* SPDX-License-Identifier: MIT */
#include "rewind.h"
#include "assets.h"
#include "cleanup.h"
#include "clock.h"
#include "failpoint.h"
#include "helper.h"
#include "job.h"
#include "json.h"
#include "rewind_volumes.h"
#include "snapshots.h"
#include "status.h"
#include "strv.h"
#include "trace.h"
#include "xio.h"

#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define RESUME_MS 30000 /* an emulated guest on a busy host takes its time */

struct rewind_job {
	struct job job;
	struct snapshot found;
	int scratch;  /* the disk of then; -1: not yet */
	bool stopped; /* the machine that was running */
	bool started; /* the other one, which is: */
	struct vmm next;
	struct rewind_volumes volumes;
	struct watch agent_watch, end_watch;
	struct proto_in in;
	struct proto_out out;
	struct proto_text text;
};

static void unwatch(struct rewind_job *j)
{
	loop_remove(&j->job.m->loop, &j->agent_watch);
	loop_remove(&j->job.m->loop, &j->end_watch);
}

static void finish(struct rewind_job *j)
{
	struct machine *m = j->job.m;
	struct err e;

	aide_end(m, &j->job.aide);
	unwatch(j);
	if (j->started)
		vmm_end(&j->next);
	rewind_volumes_end(&j->volumes);
	if (j->stopped && m->phase == PHASE_RUN && !m->vmm_ended &&
	        m->vmm->ops->go_on(m->vmm, &e) < 0) {
		m->fatal = true;
		snprintf(m->error, sizeof m->error, "%s", e.text);
		machine_end(m);
	}
	if (j->scratch >= 0)
		close(j->scratch);
	snapshot_close(&j->found);
	proto_in_free(&j->in);
	proto_out_free(&j->out);
	proto_text_clear(&j->text);
	m->job = NULL;
	free(j);
}

static void fail(struct rewind_job *j, const struct err *e)
{
	if (j->job.owner)
		hub_refuse(j->job.owner, e->status, "cannot go back to the snapshot %s: %s",
		        j->job.tag, e->text);
	finish(j);
}

/* The sessions of its volumes are gone, and with them the machine of before. */
static void end_both(struct rewind_job *j, const struct err *e)
{
	struct machine *m = j->job.m;
	struct err told = *e;

	err_prefix(&told, "on the way to the snapshot %s", j->job.tag);
	m->fatal = true;
	snprintf(m->error, sizeof m->error, "%s", told.text);
	j->stopped = false;
	fail(j, e);
	machine_end(m);
}

static void take_over(struct rewind_job *j, const json_t *answer)
{
	struct machine *m = j->job.m;
	struct rewind_other other = {.vmm = j->next,
	        .in = j->in,
	        .out = j->out,
	        .scratch = j->scratch,
	        .paused = json_is_true(json_object_get(answer, "paused"))};
	char why[120];
	struct err e;
	int64_t lost;

	trace("rewind: resumed");
	failpoint("rewind-resumed");
	lost = rewind_volumes_go_on(&j->volumes, &e);
	if (lost < 0) {
		end_both(j, &e);
		return;
	}
	snprintf(why, sizeof why, "the VM has gone back to the snapshot %s", j->job.tag);
	if (j->job.owner) {
		hub_tell(j->job.owner, json_pack("{s:s, s:{s:s, s:I}}", "type", "OK", "answer",
		                               "tag", j->job.tag, "lost", (json_int_t)lost));
		j->job.owner->closing = true;
	}
	j->started = j->stopped = false;
	j->in = (struct proto_in){0};
	j->out = (struct proto_out){0};
	j->scratch = -1;
	finish(j);
	rewind_swap(m, &other, why);
}

/* Takes the reference; sends what can be sent now. */
static int say(struct rewind_job *j, json_t *message)
{
	auto_json json_t *m = message;
	auto_free char *text = m ? json_dumps(m, JSON_COMPACT) : NULL;

	if (!text || proto_put_text(&j->out, 0, PROTO_CONTROL, text, strlen(text)) < 0)
		return -1;
	if (j->agent_watch.fd >= 0 && proto_flush(&j->out, j->next.agent) == 0)
		loop_want(&j->job.m->loop, &j->agent_watch,
		        EPOLLIN | (proto_pending(&j->out) ? EPOLLOUT : 0));
	return 0;
}

/* What it says before it has taken over. True: it has, or has failed. */
static bool handle(struct rewind_job *j, const struct frame *f)
{
	auto_json json_t *message = NULL;
	const char *type, *why;
	struct err e;
	int r = f->type == PROTO_CONTROL ? proto_text_add(&j->text, f) : -1;

	if (r == 0)
		return false;
	if (r == 1)
		message = json_parse(j->text.buf, j->text.len, "message", NULL);
	proto_text_clear(&j->text);
	type = json_string_value(json_object_get(message, "type"));
	if (type && !strcmp(type, "LOG"))
		return false;
	if (type && !strcmp(type, "TIME") && say(j, dialogue_time()) == 0)
		return false;
	if (type && !strcmp(type, "RESUMED")) {
		take_over(j, message);
		return true;
	}
	why = json_string_value(json_object_get(message, "error"));
	if (type && !strcmp(type, "FATAL"))
		err_set(&e, FCVM_EX_FAIL, "%s", why ? why : "it failed without a reason");
	else
		err_set(&e, FCVM_EX_FAIL, "its agent breaks the protocol");
	fail(j, &e);
	return true;
}

static void agent_event(void *ctx, uint32_t events)
{
	struct rewind_job *j = ctx;
	struct frame f;
	struct err e;
	size_t space;
	uint8_t *p;
	ssize_t n;
	int r = 0;

	if ((events & EPOLLOUT) && proto_flush(&j->out, j->next.agent) == 0)
		loop_want(&j->job.m->loop, &j->agent_watch,
		        EPOLLIN | (proto_pending(&j->out) ? EPOLLOUT : 0));
	if (!(events & (EPOLLIN | EPOLLHUP | EPOLLERR)))
		return;
	p = proto_in_space(&j->in, &space);
	n = recv(j->next.agent, p, space, MSG_DONTWAIT);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n > 0) {
		proto_in_filled(&j->in, (size_t)n);
		while ((r = proto_next(&j->in, &f)) == 1)
			if (handle(j, &f))
				return; /* j is gone */
	}
	if (n > 0 && r == 0)
		return;
	err_set(&e, FCVM_EX_FAIL, "its agent %s", n > 0 ? "breaks the protocol" : "has gone");
	fail(j, &e);
}

static void end_event(void *ctx, uint32_t events)
{
	struct err e;

	(void)events;
	err_set(&e, FCVM_EX_FAIL, "the machine ended as it was restored");
	fail(ctx, &e);
}

static int say_resume(struct rewind_job *j, struct err *e)
{
	struct loop *l = &j->job.m->loop;

	if (say(j, dialogue_clone_message(j->job.m->o->plan, false)) < 0)
		return err_set(e, FCVM_EX_FAIL, "there is no entropy for it");
	if (loop_add(l, &j->agent_watch, j->next.agent, EPOLLIN | EPOLLOUT, agent_event, j) < 0 ||
	        loop_add(l, &j->end_watch, j->next.proc.pidfd, EPOLLIN, end_event, j) < 0)
		return err_sys(e, "cannot watch the machine");
	j->job.until_ms = clock_ms() + RESUME_MS;
	return 0;
}

/* One of the two has the TAP at a time: who is stopped takes no frame from it. */
static int start(struct rewind_job *j, struct err *e)
{
	const struct machine *m = j->job.m;
	struct vmm_config c = *m->o->saving->config;

	j->stopped = true;
	if (m->vmm->ops->stop(m->vmm, e) < 0)
		return -1;
	failpoint("rewind-stopped");
	c.disks[0] = (struct vmm_disk){m->o->saving->root, false};
	c.disks[1] = (struct vmm_disk){j->scratch, true};
	c.memory_file = j->found.files.memory;
	c.state = j->found.files.state;
	if (rewind_volumes_begin(&j->volumes, m, &j->found, e) < 0)
		return -1;
	c.ports = j->volumes.streams.ports;
	if (m->vmm->ops->start(&j->next, &c, e) < 0)
		return -1;
	j->started = true;
	trace("rewind: started");
	failpoint("rewind-started");
	return say_resume(j, e);
}

/* --- before: the disk is copied, while the machine runs --- */

static void copy(void *ctx, int report)
{
	struct rewind_job *j = ctx;
	struct err e = {.status = FCVM_EX_OK};
	int same = rewind_same_file(j->job.m->o->saving->root, j->found.files.root), r = 0;

	if (same == 0)
		err_set(&e, FCVM_EX_DATA, "it is of another VM: its image was of other contents");
	else if (same < 0)
		err_sys(&e, "cannot compare the images");
	else
		r = copy_sparse(j->found.files.scratch, j->scratch);
	if (r < 0) {
		errno = -r;
		err_sys(&e, "cannot copy its disk");
	}
	failpoint("rewind-copied");
	helper_tell(report, e.status ? &e : NULL);
}

static void copied(void *ctx, uint32_t events)
{
	struct rewind_job *j = ctx;
	struct err e;
	int r = helper_wait(j->job.aide.report, "rewind's helper", &e);

	(void)events;
	aide_end(j->job.m, &j->job.aide);
	if (r < 0 || start(j, &e) < 0)
		fail(j, &e);
}

static int begin(struct rewind_job *j, struct err *e)
{
	const struct saving *saving = j->job.m->o->saving;
	struct snapshots store;
	int r = snapshots_open(&store, saving->data, e);

	if (r == 0)
		r = snapshots_find(&store, j->job.tag, &j->found, e);
	snapshots_close(&store);
	if (r < 0 || rewind_check(j->job.m, &j->found, e) < 0 ||
	        assets_scratch_empty(saving->data, &j->scratch, e) < 0)
		return -1;
	return aide_start(j->job.m, &j->job.aide,
	        &(struct aide_work){.name = "rewind",
	                .keep = (int[]){saving->root, j->found.files.root, j->found.files.scratch,
	                        j->scratch},
	                .n_keep = 4,
	                .fn = copy,
	                .ctx = j,
	                .done = copied},
	        e);
}

static void due(struct job *j, int64_t now)
{
	struct machine *m = j->m;
	struct err e;

	if (m->phase != PHASE_RUN || !m->running || m->stopping)
		err_set(&e, FCVM_EX_FAIL, "the container is stopping");
	else if (j->until_ms >= 0 && now >= j->until_ms)
		err_set(&e, FCVM_EX_FAIL, "its agent does not answer");
	else
		return;
	fail((struct rewind_job *)j, &e);
}

static void fail_job(struct job *j, const struct err *e)
{
	fail((struct rewind_job *)j, e);
}

static void finish_job(struct job *j)
{
	finish((struct rewind_job *)j);
}

static const struct job_kind rewind_job = {due, fail_job, finish_job};

static const char *hindrance(const struct machine *m)
{
	if (!m->o->saving || !m->vmm->ops->save || !m->vmm->ops->stop)
		return "this VM's hypervisor cannot restore a machine";
	if (json_array_size(m->o->mounts) && m->vmm->ops->ends_ports)
		return "this VM's hypervisor cannot restore one with volumes";
	if (m->o->exec)
		return "the VM is there for the command of its --exec";
	if (m->job)
		return m->job->kind == &rewind_job ? "the VM is on its way to a snapshot already"
		                                   : "a snapshot of it is being made";
	if (m->phase != PHASE_RUN || !m->running || m->stopping)
		return "the container is not running";
	return NULL;
}

void rewind_request(struct conn *c, const json_t *request)
{
	const char *tag = job_tag(c, request, hindrance(c->m));
	struct rewind_job *j;
	struct err e;

	if (!tag)
		return;
	j = xcalloc(1, sizeof *j);
	*j = (struct rewind_job){.found = {.files = SNAPSHOT_FILES_NONE, .dir = -1},
	        .scratch = -1,
	        .agent_watch.fd = -1,
	        .end_watch.fd = -1};
	job_begin(&j->job, &rewind_job, c->m, c, tag);
	proto_in_init(&j->in, PROTO_GUEST);
	trace("rewind: begun");
	if (begin(j, &e) < 0)
		fail(j, &e);
}
