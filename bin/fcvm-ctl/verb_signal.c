/* SPDX-License-Identifier: MIT
 * kill, pause and unpause: one request to each VM, and its name when that was done. */
#include "act.h"
#include "json.h"
#include "num.h"
#include "status.h"

#include <signal.h>

struct opts {
	const char *signal;
	struct vms_selector who;
};

#define SELECTORS                                                                          \
	VMS_OPT_NAME(offsetof(struct opts, who)), VMS_OPT_PID(offsetof(struct opts, who)), \
	        VMS_OPT_LATEST(offsetof(struct opts, who)),                                \
	        VMS_OPT_ALL(offsetof(struct opts, who)), OPT_END

static const struct opt kill_table[] = {
        {'s', "signal", "SIGNAL", "name or number (KILL)", OPT_STR, offsetof(struct opts, signal),
                false},
        SELECTORS,
};
static const struct opt plain_table[] = {SELECTORS};

static const struct opt_spec kill_spec = {
        .usage = "fcvm-ctl kill [options] [VM…]",
        .summary = "Sends a signal to the first process of containers.",
        .table = kill_table,
};
static const struct opt_spec pause_spec = {
        .usage = "fcvm-ctl pause [options] [VM…]",
        .summary = "Holds all processes of containers.",
        .table = plain_table,
};
static const struct opt_spec unpause_spec = {
        .usage = "fcvm-ctl unpause [options] [VM…]",
        .summary = "Lets the processes of paused containers go on.",
        .table = plain_table,
};

int ctl_kill(int argc, char **argv, struct err *e)
{
	struct opts o = {.signal = "KILL"};
	auto_json json_t *request = NULL;
	auto_vms struct vms vms = {0};
	int sig;

	if (act_find(&kill_spec, argc, argv, &o, &o.who, ACT_RUNNING, &vms, e) < 0)
		return -1;
	sig = num_signal(o.signal);
	if (sig < 0)
		return err_set(e, FCVM_EX_USAGE, "--signal %s: no such signal", o.signal);
	request = json_pack("{s:s, s:i}", "type", "SIGNAL", "signal", sig);
	return act_each(&vms, request, CONTROL_MS, e);
}

static int plain(
        const struct opt_spec *spec, const char *type, int argc, char **argv, struct err *e)
{
	auto_json json_t *request = act_request(type);
	auto_vms struct vms vms = {0};
	struct opts o = {.signal = NULL};

	if (act_find(spec, argc, argv, &o, &o.who, ACT_RUNNING, &vms, e) < 0)
		return -1;
	return act_each(&vms, request, CONTROL_MS, e);
}

int ctl_pause(int argc, char **argv, struct err *e)
{
	return plain(&pause_spec, "PAUSE", argc, argv, e);
}

int ctl_unpause(int argc, char **argv, struct err *e)
{
	return plain(&unpause_spec, "UNPAUSE", argc, argv, e);
}
