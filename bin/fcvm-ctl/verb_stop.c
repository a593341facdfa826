/* SPDX-License-Identifier: MIT
 * stop, rm, wait and restart: requests whose answer is the end, or the new beginning, of a
 * container. */
#include "act.h"
#include "cleanup.h"
#include "dirs.h"
#include "ended.h"
#include "json.h"
#include "status.h"
#include "strv.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NO_TIMEOUT UINT64_MAX

struct opts {
	uint64_t timeout; /* seconds; NO_TIMEOUT: the container's own */
	bool force;
	struct vms_selector who;
};

#define SELECTORS                                                                          \
	VMS_OPT_NAME(offsetof(struct opts, who)), VMS_OPT_PID(offsetof(struct opts, who)), \
	        VMS_OPT_LATEST(offsetof(struct opts, who)),                                \
	        VMS_OPT_ALL(offsetof(struct opts, who)), OPT_END

#define TIMEOUT                                                                        \
	{'t', "time", "SECONDS", "before SIGKILL (what --stop-timeout said)", OPT_U64, \
	        offsetof(struct opts, timeout), false},                                \
	{                                                                              \
		0, "timeout", "SECONDS", "the same as --time", OPT_U64,                \
		        offsetof(struct opts, timeout), true                           \
	}

#define IGNORE                                                                       \
	{                                                                            \
		'i', "ignore", NULL, "do not mind a name that is no VM's", OPT_FLAG, \
		        offsetof(struct opts, who.missing_ok), false                 \
	}

static const struct opt stop_table[] = {TIMEOUT, IGNORE, SELECTORS};
static const struct opt restart_table[] = {TIMEOUT, SELECTORS};
static const struct opt wait_table[] = {SELECTORS};
static const struct opt rm_table[] = {TIMEOUT,
        {'f', "force", NULL, "stop those that run, first", OPT_FLAG, offsetof(struct opts, force),
                false},
        IGNORE, SELECTORS};

static const struct opt_spec stop_spec = {
        .usage = "fcvm-ctl stop [options] [VM…]",
        .summary = "Asks containers to stop, kills those that do not in time, and waits.",
        .table = stop_table,
};
static const struct opt_spec restart_spec = {
        .usage = "fcvm-ctl restart [options] [VM…]",
        .summary =
                "Stops containers and runs them again in their machines, with the files they have.",
        .table = restart_table,
};
static const struct opt_spec wait_spec = {
        .usage = "fcvm-ctl wait [options] [VM…]",
        .summary = "Waits for containers to end and prints their exit statuses.",
        .table = wait_table,
};
static const struct opt_spec rm_spec = {
        .usage = "fcvm-ctl rm [options] [VM…]",
        .summary = "Removes what is kept of VMs that have ended.",
        .table = rm_table,
};

static json_t *timed(const char *type, const struct opts *o)
{
	json_t *j = act_request(type);

	if (o->timeout != NO_TIMEOUT)
		json_object_set_new(j, "timeout",
		        json_integer(o->timeout > INT32_MAX ? INT32_MAX : (json_int_t)o->timeout));
	return j;
}

int ctl_stop(int argc, char **argv, struct err *e)
{
	struct opts o = {.timeout = NO_TIMEOUT};
	auto_json json_t *request = NULL;
	auto_vms struct vms vms = {0};

	if (act_find(&stop_spec, argc, argv, &o, &o.who, ACT_ENDED_NAMED, &vms, e) < 0)
		return -1;
	request = timed("STOP", &o);
	return act_end(&vms, request, ACT_TELL_NAME, e);
}

int ctl_wait(int argc, char **argv, struct err *e)
{
	auto_json json_t *request = act_request("WAIT");
	struct opts o = {.timeout = NO_TIMEOUT};
	auto_vms struct vms vms = {0};

	if (act_find(&wait_spec, argc, argv, &o, &o.who, ACT_ENDED_NAMED, &vms, e) < 0)
		return -1;
	return act_end(&vms, request, ACT_TELL_STATUS, e);
}

/* Whether the VM may go, having ended, or being stopped for it. */
static bool may_go(const struct vm *vm, bool force, struct err *failed)
{
	struct err e;

	if (vm->ended || vm_number(vm, "ended") || force)
		return true;
	err_set(&e, FCVM_EX_FAIL, "%s is running: stop it first, or pass --force", vm->name);
	act_keep(failed, &e);
	return false;
}

static int remove_all(struct vms *vms, const struct opts *o, const char *data, struct err *e)
{
	auto_json json_t *request = timed("STOP", o);
	struct err failed = {.text = ""};
	struct vms going = {.v = xcalloc(vms->n ? vms->n : 1, sizeof *vms->v)}; /* borrows */

	for (size_t i = 0; i < vms->n; i++)
		if (may_go(&vms->v[i], o->force, &failed))
			going.v[going.n++] = vms->v[i];
	if (act_end(&going, request, ACT_TELL_NOTHING, e) < 0)
		act_keep(&failed, e);
	for (size_t i = 0; i < going.n; i++) {
		if (ended_remove(data, going.v[i].name, e) < 0)
			act_keep(&failed, e);
		else
			puts(going.v[i].name);
	}
	free(going.v);
	*e = failed;
	return failed.status ? -1 : 0;
}

int ctl_rm(int argc, char **argv, struct err *e)
{
	struct opts o = {.timeout = NO_TIMEOUT};
	auto_free char *data = dirs_data();
	auto_vms struct vms vms = {0};

	if (act_find(&rm_spec, argc, argv, &o, &o.who, ACT_ENDED_ALL, &vms, e) < 0)
		return -1;
	if (o.timeout != NO_TIMEOUT && !o.force)
		return err_set(e, FCVM_EX_USAGE, "--time goes with --force");
	return remove_all(&vms, &o, data, e);
}

int ctl_restart(int argc, char **argv, struct err *e)
{
	struct opts o = {.timeout = NO_TIMEOUT};
	auto_json json_t *request = NULL;
	auto_vms struct vms vms = {0};

	if (act_find(&restart_spec, argc, argv, &o, &o.who, ACT_RUNNING, &vms, e) < 0)
		return -1;
	request = timed("RESTART", &o);
	return act_each(&vms, request, -1, e);
}
