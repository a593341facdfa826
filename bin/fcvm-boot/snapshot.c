/* SPDX-License-Identifier: MIT */
#include "snapshot.h"
#include "cleanup.h"
#include "clock.h"
#include "failpoint.h"
#include "helper.h"
#include "json.h"
#include "msg.h"
#include "snapshot_meta.h"
#include "snapshot_own.h"
#include "snapshots.h"
#include "status.h"
#include "strv.h"
#include "trace.h"
#include "warm.h"
#include "xio.h"

#include <string.h>
#include <unistd.h>

#define FREEZE_MS 60000 /* an emulated guest on a busy host takes its time */

static int64_t now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

static void let_go(struct snapshot_job *j)
{
	struct machine *m = j->job.m;
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
	struct machine *m = j->job.m;

	aide_end(j->job.m, &j->job.aide);
	if (m->phase == PHASE_RUN)
		let_go(j);
	if (j->warm)
		warm_end(&j->warm_new);
	else
		snapshots_end(&j->store, &j->files);
	snapshots_close(&j->store);
	json_decref(j->meta);
	m->job = NULL;
	free(j);
}

static void warm_failed(const struct machine *m, const char *why)
{
	if (m->phase == PHASE_RUN)
		msg("the started container cannot be kept for the next run: %s", why);
}

static void fail(struct snapshot_job *j, const struct err *e)
{
	if (j->job.owner)
		hub_refuse(j->job.owner, e->status, "%s", e->text);
	else if (j->warm)
		warm_failed(j->job.m, e->text);
	finish(j);
}

static void saved(struct snapshot_job *j, int r, struct err *e);
static bool is_ours(const struct machine *m);

/* --- the helpers --- */

static void copy_base(void *ctx, int report)
{
	struct snapshot_job *j = ctx;
	struct err e = {.status = FCVM_EX_OK};
	int r = copy_sparse(j->job.m->vmm->memory, j->files.files.memory);

	if (r < 0) {
		errno = -r;
		err_sys(&e, "cannot copy the machine's memory");
	}
	failpoint("snapshot-base");
	helper_tell(report, r < 0 ? &e : NULL);
}

static void copy_disk(void *ctx, int report)
{
	struct snapshot_job *j = ctx;
	struct err e = {.status = FCVM_EX_OK};
	int r = copy_sparse(j->job.m->o->saving->scratch, j->files.files.scratch);

	if (r < 0) {
		errno = -r;
		err_sys(&e, "cannot copy the machine's disk");
	}
	failpoint("snapshot-saved");
	helper_tell(report, r < 0 ? &e : NULL);
}

static void keep(void *ctx, int report)
{
	struct snapshot_job *j = ctx;
	struct err e = {.status = FCVM_EX_OK};
	int r = -1;

	if (j->warm)
		r = warm_keep(&j->warm_new, j->warm, json_object_get(j->meta, "volumes"), &e);
	else if (snapshot_meta_add(j->meta, j->job.m->o, j->job.m->vmm->ops, &e) == 0)
		r = snapshots_keep(
		        &j->store, &j->files, j->job.tag, j->meta, j->job.m->o->saving->plan, &e);
	helper_tell(report, r < 0 ? &e : NULL);
}

static void kept(struct snapshot_job *j)
{
	struct machine *m = j->job.m;
	struct conn *c = j->job.owner;
	bool stop = j->stop;

	trace("snapshot: kept");
	if (c) {
		hub_tell(c, json_pack("{s:s, s:{s:s, s:I}}", "type", "OK", "answer", "tag",
		                    j->job.tag, "pauseUsec", (json_int_t)j->pause_us));
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
	int r = helper_wait(j->job.aide.report, "snapshot's helper", &e);

	(void)events;
	aide_end(j->job.m, &j->job.aide);
	if (r < 0) {
		fail(j, &e);
	} else if (j->step == STEP_BASE) {
		j->step = STEP_HOLD;
		job_due(j->job.m, clock_ms());
	} else if (j->step == STEP_DISK) {
		saved(j, 0, &e);
	} else {
		kept(j);
	}
}

static int help(struct snapshot_job *j, void (*fn)(void *ctx, int report), struct err *e)
{
	const struct snapshot_files *f = &j->files.files;
	const int fds[] = {f->state, f->memory, f->scratch, f->volumes, f->root, j->files.dir,
	        j->store.dir, j->job.m->vmm->memory, j->job.m->o->saving->scratch,
	        j->warm_new.files.dir, j->warm_new.store.dir};

	return aide_start(j->job.m, &j->job.aide,
	        &(struct aide_work){.name = "snapshot",
	                .keep = fds,
	                .n_keep = sizeof fds / sizeof *fds,
	                .fn = fn,
	                .ctx = j,
	                .done = helped},
	        e);
}

/* --- the pause --- */

/* The guest goes on, unless it is not to; what was copied is made a snapshot. */
static void saved(struct snapshot_job *j, int r, struct err *e)
{
	struct machine *m = j->job.m;

	if (r == 0 && !j->stop)
		let_go(j);
	j->pause_us = now_us() - j->frozen_us;
	trace("snapshot: saved");
	failpoint("snapshot-thawed");
	if (r == 0 && m->phase == PHASE_RUN) {
		j->step = STEP_KEEP;
		j->job.until_ms = -1;
		json_object_set_new(j->meta, "pauseUsec", json_integer(j->pause_us));
		r = help(j, keep, e);
	}
	if (r < 0)
		fail(j, e);
}

void snapshot_frozen(struct machine *m, const json_t *answer)
{
	const char *why = json_string_value(json_object_get(answer, "error"));
	struct snapshot_job *j = is_ours(m) ? (struct snapshot_job *)m->job : NULL;
	struct err e;
	int r;

	if (!j || j->step != STEP_FREEZE)
		return; /* it was given up meanwhile */
	trace("snapshot: frozen");
	failpoint("snapshot-frozen");
	j->frozen_us = now_us();
	r = why       ? err_set(&e, FCVM_EX_FAIL, "%s", why)
	    : j->disk ? help(j, copy_disk, &e)
	              : snapshot_save(j, &e);
	if (r < 0 || !j->disk) {
		saved(j, r, &e);
		return;
	}
	j->step = STEP_DISK;
	j->job.until_ms = -1;
}

static void due(struct job *job, int64_t now)
{
	struct snapshot_job *j = (struct snapshot_job *)job;
	struct machine *m = job->m;
	struct err e;

	if (m->phase != PHASE_RUN || !m->running) {
		err_set(&e, FCVM_EX_FAIL, "the container has ended");
		fail(j, &e);
	} else if (j->step == STEP_HOLD && dialogue_freeze(m, j->disk)) {
		j->step = STEP_FREEZE;
		j->job.until_ms = now + FREEZE_MS;
	} else if (j->step == STEP_FREEZE && now >= j->job.until_ms) {
		err_set(&e, FCVM_EX_FAIL, "the guest does not come to rest");
		fail(j, &e);
	}
}

/* --- requests --- */

static int open_files(struct snapshot_job *j, struct err *e)
{
	const struct saving *s = j->job.m->o->saving;

	if (snapshots_open(&j->store, s->data, e) < 0 ||
	        snapshots_check_free(&j->store, j->job.tag, e) < 0 ||
	        snapshots_begin(&j->store, &j->files, e) < 0)
		return -1;
	j->files.files.root = s->root;
	return 0;
}

/* With its files open. */
static int begin(struct snapshot_job *j, struct err *e)
{
	j->meta = json_pack("{s:I, s:s}", "created", (json_int_t)(clock_real_ns() / 1000000000),
	        "vm", j->job.m->name);
	if (j->disk) {
		json_object_set_new(j->meta, "kind", json_string(SNAPSHOT_DISK));
		snapshots_disk_only(&j->files);
	} else if (j->job.m->vmm->memory_private) {
		return help(j, copy_base, e);
	}
	j->step = STEP_HOLD;
	job_due(j->job.m, clock_ms());
	return 0;
}

static const char *hindrance(const struct machine *m, bool disk)
{
	if (!m->o->saving || (!disk && (!m->vmm->ops->save || !m->vmm->ops->go_on)))
		return "this VM's hypervisor cannot save a running machine";
	if (!disk && json_array_size(m->o->mounts) && m->vmm->ops->ends_ports)
		return "this VM's hypervisor cannot save one with volumes: it would end their "
		       "streams";
	if (disk && json_array_size(m->o->mounts))
		return "of a VM with volumes the disk alone cannot be saved";
	if (m->job)
		return is_ours(m) ? "another snapshot of it is being made"
		                  : "the VM is going back to a snapshot";
	if (m->phase != PHASE_RUN || !m->running)
		return "the container is not running";
	return NULL;
}

static void fail_job(struct job *j, const struct err *e)
{
	fail((struct snapshot_job *)j, e);
}

static void finish_job(struct job *j)
{
	finish((struct snapshot_job *)j);
}

static const struct job_kind snapshot_job = {due, fail_job, finish_job};

static bool is_ours(const struct machine *m)
{
	return m->job && m->job->kind == &snapshot_job;
}

static struct snapshot_job *job_new(struct machine *m, struct conn *owner, const char *tag)
{
	struct snapshot_job *j = xcalloc(1, sizeof *j);

	*j = (struct snapshot_job){.store.dir = -1,
	        .files = {.dir = -1, .files = SNAPSHOT_FILES_NONE},
	        .warm_new = WARM_NEW_NONE};
	job_begin(&j->job, &snapshot_job, m, owner, tag);
	return j;
}

void snapshot_request(struct conn *c, const json_t *request)
{
	bool disk = json_is_true(json_object_get(request, "diskOnly"));
	const char *tag = job_tag(c, request, hindrance(c->m, disk));
	struct snapshot_job *j;
	struct err e;

	if (!tag)
		return;
	j = job_new(c->m, c, tag);
	j->stop = json_is_true(json_object_get(request, "stop"));
	j->disk = disk;
	trace("snapshot: begun");
	if (open_files(j, &e) < 0 || begin(j, &e) < 0)
		fail(j, &e);
}

void snapshot_warm(struct machine *m)
{
	const struct warm *warm = m->o->saving ? m->o->saving->warm : NULL;
	struct snapshot_job *j;
	const char *why;
	struct err e;
	int r;

	if (!warm || m->warmed || m->job)
		return;
	m->warmed = true;
	why = hindrance(m, false);
	if (why) {
		warm_failed(m, why);
		return;
	}
	j = job_new(m, NULL, "");
	j->warm = warm;
	trace("warm: begun");
	r = warm_begin(&j->warm_new, warm, m->o->saving->data, &e);
	if (r == 1) {
		struct template_files *f = &j->warm_new.files.files;

		j->files.files.state = f->state;
		j->files.files.memory = f->memory;
		j->files.files.scratch = f->scratch;
		j->files.files.volumes = f->volumes;
		r = begin(j, &e);
	} else if (r == 0) {
		finish(j);
	}
	if (r < 0)
		fail(j, &e);
}
