/* SPDX-License-Identifier: MIT */
#include "snapshot.h"
#include "cleanup.h"
#include "clock.h"
#include "failpoint.h"
#include "helper.h"
#include "json.h"
#include "name.h"
#include "snapshot_meta.h"
#include "snapshots.h"
#include "status.h"
#include "trace.h"
#include "xio.h"

#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/wait.h>
#include <unistd.h>

#define FREEZE_MS 60000 /* an emulated guest on a busy host takes its time */

enum step {
	STEP_BASE,   /* a helper copies what the guest's memory began as */
	STEP_HOLD,   /* FREEZE waits for its turn */
	STEP_FREEZE, /* until FROZEN */
	STEP_KEEP    /* a helper makes it durable and gives it its name */
};

struct snapshot_job {
	struct machine *m;
	struct conn *owner;
	char tag[NAME_MAX_LEN + 1];
	bool stop, stopped; /* the machine is not to go on; does not */
	struct snapshots store;
	struct snapshot_new files;
	enum step step;
	int report, pidfd; /* of the helper; -1: none */
	struct watch watch;
	int64_t until_ms, pause_us;
	json_t *meta;
};

static int64_t now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

/* The helper is gone, or goes now. */
static void reap(struct snapshot_job *j)
{
	siginfo_t info;

	if (j->pidfd < 0)
		return;
	loop_drop(&j->m->loop, &j->watch, &j->report);
	proc_kill(&(struct proc){.pidfd = j->pidfd}, SIGKILL);
	while (waitid(P_PIDFD, (id_t)j->pidfd, &info, WEXITED | __WALL) < 0 && errno == EINTR)
		;
	close(j->pidfd);
	j->pidfd = -1;
}

static void let_go(struct snapshot_job *j)
{
	struct machine *m = j->m;
	struct err e;

	if (j->stopped && m->vmm->ops->go_on(m->vmm, &e) < 0 && !m->vmm_ended) {
		m->fatal = m->vmm_fatal = true;
		snprintf(m->error, sizeof m->error, "%s", e.text);
		machine_end(m);
	}
	j->stopped = false;
	link_renew(m);
	dialogue_thaw(m);
}

static void finish(struct snapshot_job *j)
{
	struct machine *m = j->m;

	reap(j);
	if (m->phase == PHASE_RUN)
		let_go(j);
	snapshots_end(&j->store, &j->files);
	snapshots_close(&j->store);
	json_decref(j->meta);
	m->snapshot = NULL;
	free(j);
}

static void fail(struct snapshot_job *j, const struct err *e)
{
	if (j->owner)
		hub_refuse(j->owner, e->status, "%s", e->text);
	finish(j);
}

/* --- the helpers --- */

static void copy_base(void *ctx, int report)
{
	struct snapshot_job *j = ctx;
	struct err e = {.status = FCVM_EX_OK};
	int r = copy_sparse(j->m->vmm->memory, j->files.files.memory);

	if (r < 0) {
		errno = -r;
		err_sys(&e, "cannot copy the machine's memory");
	}
	failpoint("snapshot-base");
	helper_tell(report, r < 0 ? &e : NULL);
}

static void keep(void *ctx, int report)
{
	struct snapshot_job *j = ctx;
	struct err e = {.status = FCVM_EX_OK};
	int r = -1;

	if (snapshot_meta_add(j->meta, j->m->o, j->m->vmm->ops, &e) == 0)
		r = snapshots_keep(
		        &j->store, &j->files, j->tag, j->meta, j->m->o->saving->plan, &e);
	helper_tell(report, r < 0 ? &e : NULL);
}

static void kept(struct snapshot_job *j)
{
	struct machine *m = j->m;
	struct conn *c = j->owner;
	bool stop = j->stop;

	trace("snapshot: kept");
	if (c) {
		hub_tell(c, json_pack("{s:s, s:{s:s, s:I}}", "type", "OK", "answer", "tag", j->tag,
		                    "pauseUsec", (json_int_t)j->pause_us));
		c->closing = true;
	}
	if (stop && m->phase == PHASE_RUN) {
		m->reported = true;
		m->status = 0;
		container_over(m, 0, NULL);
	}
	finish(j);
}

static void helped(void *ctx, uint32_t events)
{
	struct snapshot_job *j = ctx;
	struct err e;
	int r = helper_wait(j->report, "snapshot's helper", &e);

	(void)events;
	reap(j);
	if (r < 0) {
		fail(j, &e);
	} else if (j->step == STEP_BASE) {
		j->step = STEP_HOLD;
		snapshot_due(j->m, clock_ms());
	} else {
		kept(j);
	}
}

static int help(struct snapshot_job *j, void (*fn)(void *ctx, int report), struct err *e)
{
	const struct snapshot_files *f = &j->files.files;
	const int fds[] = {f->state, f->memory, f->scratch, f->root, j->files.dir, j->store.dir,
	        j->m->vmm->memory};
	struct helper h = {.program = "fcvm-boot",
	        .name = "snapshot",
	        .keep = fds,
	        .n_keep = sizeof fds / sizeof *fds,
	        .pidfd = &j->pidfd,
	        .fn = fn,
	        .ctx = j};

	if (helper_start(&h, &j->report, e) < 0)
		return -1;
	if (loop_add(&j->m->loop, &j->watch, j->report, EPOLLIN, helped, j) == 0)
		return 0;
	return err_sys(e, "cannot watch the snapshot's helper");
}

/* --- the pause --- */

static int save(struct snapshot_job *j, struct err *e)
{
	struct vmm *v = j->m->vmm;
	int r;

	j->stopped = true; /* whatever of it was done */
	if (v->ops->save(v, j->files.files.state, j->files.files.memory, e) < 0)
		return -1;
	failpoint("snapshot-stopped");
	r = copy_sparse(j->m->o->saving->scratch, j->files.files.scratch);
	failpoint("snapshot-saved");
	errno = -r;
	return r < 0 ? err_sys(e, "cannot copy the machine's disk") : 0;
}

void snapshot_frozen(struct machine *m, const json_t *answer)
{
	const char *why = json_string_value(json_object_get(answer, "error"));
	struct snapshot_job *j = m->snapshot;
	int64_t start = now_us();
	struct err e;
	int r;

	if (!j || j->step != STEP_FREEZE)
		return; /* it was given up meanwhile */
	trace("snapshot: frozen");
	failpoint("snapshot-frozen");
	r = why ? err_set(&e, FCVM_EX_FAIL, "%s", why) : save(j, &e);
	if (r == 0 && !j->stop)
		let_go(j);
	j->pause_us = now_us() - start;
	trace("snapshot: saved");
	failpoint("snapshot-thawed");
	if (r == 0 && m->phase == PHASE_RUN) {
		j->step = STEP_KEEP;
		j->until_ms = -1;
		json_object_set_new(j->meta, "pauseUsec", json_integer(j->pause_us));
		r = help(j, keep, &e);
	}
	if (r < 0)
		fail(j, &e);
}

void snapshot_due(struct machine *m, int64_t now)
{
	struct snapshot_job *j = m->snapshot;
	struct err e;

	if (!j)
		return;
	if (m->phase != PHASE_RUN || !m->running) {
		err_set(&e, FCVM_EX_FAIL, "the container has ended");
		fail(j, &e);
	} else if (j->step == STEP_HOLD && dialogue_freeze(m)) {
		j->step = STEP_FREEZE;
		j->until_ms = now + FREEZE_MS;
	} else if (j->step == STEP_FREEZE && now >= j->until_ms) {
		err_set(&e, FCVM_EX_FAIL, "the guest does not come to rest");
		fail(j, &e);
	}
}

int64_t snapshot_next(const struct machine *m)
{
	return m->snapshot ? m->snapshot->until_ms : -1;
}

/* --- requests --- */

static int begin(struct snapshot_job *j, struct err *e)
{
	const struct saving *s = j->m->o->saving;

	if (snapshots_open(&j->store, s->data, e) < 0 ||
	        snapshots_begin(&j->store, &j->files, e) < 0)
		return -1;
	j->files.files.root = s->root;
	j->meta = json_pack("{s:I, s:s}", "created", (json_int_t)(clock_real_ns() / 1000000000),
	        "vm", j->m->name);
	if (j->m->vmm->memory_private)
		return help(j, copy_base, e);
	j->step = STEP_HOLD;
	snapshot_due(j->m, clock_ms());
	return 0;
}

static const char *hindrance(const struct machine *m)
{
	if (!m->o->saving || !m->vmm->ops->save || !m->vmm->ops->go_on)
		return "this VM's hypervisor cannot save a running machine";
	if (m->o->volumes >= 0 && m->vmm->ops->ends_ports)
		return "this VM's hypervisor cannot save one with volumes";
	if (m->o->volumes >= 0)
		return "a VM with volumes cannot be saved";
	if (m->snapshot)
		return "another snapshot of it is being made";
	if (m->phase != PHASE_RUN || !m->running)
		return "the container is not running";
	return NULL;
}

void snapshot_request(struct conn *c, const json_t *request)
{
	const char *tag = json_string_value(json_object_get(request, "tag"));
	const char *why = hindrance(c->m);
	struct snapshot_job *j;
	struct err e;

	if (!tag)
		tag = c->m->name;
	if (why || !name_valid(tag)) {
		hub_refuse(c, FCVM_EX_FAIL, "%s%s%s", why ? "" : tag, why ? "" : ": ",
		        why ? why : NAME_RULE);
		return;
	}
	j = calloc(1, sizeof *j);
	if (!j)
		abort();
	*j = (struct snapshot_job){.m = c->m,
	        .owner = c,
	        .stop = json_is_true(json_object_get(request, "stop")),
	        .store.dir = -1,
	        .files = {.dir = -1, .files = SNAPSHOT_FILES_NONE},
	        .report = -1,
	        .pidfd = -1,
	        .watch.fd = -1,
	        .until_ms = -1};
	snprintf(j->tag, sizeof j->tag, "%s", tag);
	c->role = ROLE_SNAPSHOT;
	c->m->snapshot = j;
	trace("snapshot: begun");
	if (begin(j, &e) < 0)
		fail(j, &e);
}

void snapshot_leave(struct conn *c)
{
	struct snapshot_job *j = c->m->snapshot;

	if (!j || j->owner != c)
		return;
	j->owner = NULL;
	finish(j);
}

void snapshot_end(struct machine *m)
{
	struct err e;

	if (!m->snapshot)
		return;
	err_set(&e, FCVM_EX_FAIL, "the VM has ended");
	fail(m->snapshot, &e);
}
