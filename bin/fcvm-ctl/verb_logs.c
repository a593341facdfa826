/* SPDX-License-Identifier: MIT */
#include "verbs.h"
#include "act.h"
#include "cleanup.h"
#include "dirs.h"
#include "logs.h"
#include "msg.h"
#include "num.h"
#include "status.h"
#include "when.h"

#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <time.h>

struct opts {
	bool follow, stamps;
	const char *since, *until, *tail;
	struct vms_selector who;
};

#define AT(field) offsetof(struct opts, field)

static const struct opt table[] = {
        {'f', "follow", NULL, "go on until the VM ends", OPT_FLAG, AT(follow), false},
        {0, "since", "TIME", "not what is older (RFC 3339, seconds, or such as 10m)", OPT_STR,
                AT(since), false},
        {0, "until", "TIME", "nor what is as late as this", OPT_STR, AT(until), false},
        {'n', "tail", "N", "only the last N lines (all)", OPT_STR, AT(tail), false},
        {'t', "timestamps", NULL, "begin each line with its time", OPT_FLAG, AT(stamps), false},
        VMS_OPT_NAME(AT(who)),
        VMS_OPT_PID(AT(who)),
        VMS_OPT_LATEST(AT(who)),
        OPT_END,
};

static const struct opt_spec spec = {
        .usage = "fcvm-ctl logs [options] [VM]",
        .summary = "Prints what the container of a VM wrote: its stdout on stdout, stderr too.",
        .table = table,
};

static int parse_time(const char *option, const char *text, int64_t *out, struct err *e)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	if (text && when_parse(text, (int64_t)now.tv_sec * 1000000000 + now.tv_nsec, out) < 0)
		return err_set(e, FCVM_EX_USAGE,
		        "--%s %s: takes a time such as 2026-11-24T05:31:38Z, 1795498298 or 1h30m",
		        option, text);
	return 0;
}

static int parse(const struct opts *o, struct log_want *w, struct err *e)
{
	*w = (struct log_want){
	        .since = INT64_MIN, .until = INT64_MAX, .tail = UINT64_MAX, .stamps = o->stamps};
	if (parse_time("since", o->since, &w->since, e) < 0 ||
	        parse_time("until", o->until, &w->until, e) < 0)
		return -1;
	if (o->tail && strcmp(o->tail, "all") != 0 && strcmp(o->tail, "-1") != 0 &&
	        num_u64(o->tail, 0, UINT64_MAX - 1, &w->tail) < 0)
		return err_set(
		        e, FCVM_EX_USAGE, "--tail %s: takes a number of lines, or all", o->tail);
	return 0;
}

static bool has_gone(const struct vm *vm, int dirfd)
{
	return !vm->ended && strcmp(vm_text(vm, "state"), "starting") != 0 && log_is_going(dirfd);
}

/* What is there now. LOG_GONE: no longer all of it. */
static int print(const struct vm *vm, int dirfd, const struct log_want *w, struct err *e)
{
	auto_free struct log_view *v = xcalloc(1, sizeof *v);
	struct clog_reader *reader = NULL;
	int r = clog_reader_open(dirfd, false, &reader);

	if (has_gone(vm, dirfd)) {
		clog_reader_free(r < 0 ? NULL : reader);
		return LOG_GONE;
	}
	if (r == -ENOENT)
		return 0; /* the VM is still starting */
	log_view_init(v, w);
	if (!r)
		r = log_view_tail(v, reader);
	if (!r)
		r = log_view_drain(v, reader);
	clog_reader_free(reader);
	if (!r || r == -EPIPE)
		return 0;
	errno = -r;
	return err_sys(e, "cannot print the log");
}

static int follow(int dirfd, const struct log_want *w, struct err *e)
{
	uint64_t lost;
	int r = log_follow(dirfd, w, &lost, e);

	if (lost)
		msg("%" PRIu64 " part%s of the log %s gone before %s could be read", lost,
		        lost > 1 ? "s" : "", lost > 1 ? "were" : "was", lost > 1 ? "they" : "it");
	return r;
}

/* LOG_GONE: the VM has ended, and whatever is kept of it is elsewhere now. */
static int logs_of(
        const struct opts *o, const struct vm *vm, const struct log_want *w, struct err *e)
{
	auto_fd int dirfd = -1, lock = vm_open_lock(vm);
	int r = LOG_GONE;

	if (!strcmp(vm_text(vm, "log"), "none"))
		return log_none(e);
	dirfd = open(vm->dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (dirfd >= 0)
		r = o->follow && !vm->ended ? follow(dirfd, w, e) : print(vm, dirfd, w, e);
	else if (vm->ended)
		return err_set(
		        e, FCVM_EX_NOTFOUND, "the log of %s was removed meanwhile", vm->name);
	if (r == LOG_GONE)
		vm_wait_gone(lock);
	return r;
}

static int logs(struct opts *o, struct err *e)
{
	auto_free char *base = dirs_run(), *data = dirs_data();
	struct log_want w;
	bool again = false;
	int r = LOG_GONE;

	o->who.data = data;
	if (parse(o, &w, e) < 0)
		return -1;
	while (r == LOG_GONE) {
		auto_vms struct vms vms = {0};

		if (vms_resolve_one(base, &o->who, &vms, e) < 0)
			/* One that was followed to its end, and leaves nothing. */
			return again && o->follow && e->status == FCVM_EX_NOTFOUND ? 0 : -1;
		again = true;
		r = logs_of(o, vms.v, &w, e);
	}
	return r;
}

int ctl_logs(int argc, char **argv, struct err *e)
{
	struct opts o = {0};
	int r = vms_opt_parse(&spec, argc, argv, &o, &o.who, e);

	if (r == 0)
		r = logs(&o, e);
	vms_selector_free(&o.who);
	return r;
}
