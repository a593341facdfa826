/* SPDX-License-Identifier: MIT
 * stop, wait and restart: requests whose answer is the end, or the new beginning, of a container.
 */
#include "act.h"
#include "cleanup.h"
#include "json.h"
#include "msg.h"
#include "status.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define NO_TIMEOUT UINT64_MAX

struct opts {
	uint64_t timeout; /* seconds; NO_TIMEOUT: the container's own */
	bool ignore;
	struct vms_selector who;
};

#define SELECTORS                                                                                \
	CTL_SELECT_NAME(offsetof(struct opts, who)), CTL_SELECT_PID(offsetof(struct opts, who)), \
	        CTL_SELECT_LATEST(offsetof(struct opts, who)),                                   \
	        CTL_SELECT_ALL(offsetof(struct opts, who)), OPT_END

#define TIMEOUT                                                                        \
	{'t', "time", "SECONDS", "before SIGKILL (what --stop-timeout said)", OPT_U64, \
	        offsetof(struct opts, timeout), false},                                \
	{                                                                              \
		0, "timeout", "SECONDS", "the same as --time", OPT_U64,                \
		        offsetof(struct opts, timeout), true                           \
	}

static const struct opt stop_table[] = {TIMEOUT,
        {'i', "ignore", NULL, "do not mind a name that is no VM's", OPT_FLAG,
                offsetof(struct opts, ignore), false},
        SELECTORS};
static const struct opt restart_table[] = {TIMEOUT, SELECTORS};
static const struct opt wait_table[] = {SELECTORS};

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

static json_t *timed(const char *type, const struct opts *o)
{
	json_t *j = act_request(type);

	if (o->timeout != NO_TIMEOUT)
		json_object_set_new(j, "timeout",
		        json_integer(o->timeout > INT32_MAX ? INT32_MAX : (json_int_t)o->timeout));
	return j;
}

/* Waits for ENDED on each connection; *status (if not NULL) is printed for each. */
static int await(const struct vm *vm, struct control *c, int lock, bool print_status, struct err *e)
{
	bool ended = false;
	auto_json json_t *answer = control_receive(c, -1, &ended, e);
	const char *type = json_string_value(json_object_get(answer, "type"));

	/* A VM that dies without a word has ended all the same. */
	if (!answer && !ended)
		return act_failed(vm, e);
	if (answer && (!type || strcmp(type, "ENDED") != 0))
		return err_set(e, FCVM_EX_FAIL, "%s: the VM answered something else", vm->name);
	if (!print_status) {
		act_wait_gone(lock);
		puts(vm->name);
	} else {
		printf("%d\n", answer ? (int)json_integer_value(json_object_get(answer, "status"))
		                      : FCVM_EX_FAIL);
	}
	fflush(stdout);
	return 0;
}

/* All are asked before any is waited for. */
static int ask_and_await(
        const struct vms *vms, const json_t *request, bool print_status, struct err *e)
{
	auto_free struct control *c = calloc(vms->n ? vms->n : 1, sizeof *c);
	auto_free int *lock = calloc(vms->n ? vms->n : 1, sizeof *lock);
	int r = 0;

	for (size_t i = 0; c && lock && i < vms->n; i++) {
		struct err one;

		lock[i] = act_open_lock(&vms->v[i]);
		if (control_connect(vms->v[i].dir, &c[i], &one) < 0 ||
		        control_send(&c[i], json_deep_copy(request), &one) < 0) {
			control_close(&c[i]);
			if (one.status == FCVM_EX_NOTFOUND && !print_status) /* while we looked */
				continue;
			act_failed(&vms->v[i], &one);
			if (r < 0)
				msg_err(e);
			*e = one;
			r = -1;
		}
	}
	for (size_t i = 0; c && lock && i < vms->n; i++) {
		struct err one;

		if (c[i].fd >= 0 && await(&vms->v[i], &c[i], lock[i], print_status, &one) < 0) {
			if (r < 0)
				msg_err(e);
			*e = one;
			r = -1;
		}
		control_close(&c[i]);
		if (lock[i] >= 0)
			close(lock[i]);
	}
	return c && lock ? r : err_sys(e, "cannot hold the connections");
}

int ctl_stop(int argc, char **argv, struct err *e)
{
	struct opts o = {.timeout = NO_TIMEOUT};
	auto_json json_t *request = NULL;
	auto_vms struct vms vms = {0};

	if (act_find(&stop_spec, argc, argv, &o, &o.who, &vms, e) < 0)
		return o.ignore && e->status == FCVM_EX_NOTFOUND ? FCVM_EX_OK : -1;
	request = timed("STOP", &o);
	return ask_and_await(&vms, request, false, e);
}

int ctl_wait(int argc, char **argv, struct err *e)
{
	auto_json json_t *request = act_request("WAIT");
	struct opts o = {.timeout = NO_TIMEOUT};
	auto_vms struct vms vms = {0};

	if (act_find(&wait_spec, argc, argv, &o, &o.who, &vms, e) < 0)
		return -1;
	return ask_and_await(&vms, request, true, e);
}

int ctl_restart(int argc, char **argv, struct err *e)
{
	struct opts o = {.timeout = NO_TIMEOUT};
	auto_json json_t *request = NULL;
	auto_vms struct vms vms = {0};

	if (act_find(&restart_spec, argc, argv, &o, &o.who, &vms, e) < 0)
		return -1;
	request = timed("RESTART", &o);
	return act_each(&vms, request, -1, e);
}
