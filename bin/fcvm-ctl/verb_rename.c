/* SPDX-License-Identifier: MIT */
#include "act.h"
#include "cleanup.h"
#include "dirs.h"
#include "json.h"
#include "rundir.h"
#include "status.h"

struct opts {
	struct vms_selector who;
};

static const struct opt table[] = {OPT_END};
static const struct opt_spec spec = {
        .usage = "fcvm-ctl rename VM NAME",
        .summary = "Gives a VM another name.",
        .table = table,
};

int ctl_rename(int argc, char **argv, struct err *e)
{
	auto_free char *base = dirs_run();
	auto_json json_t *answer = NULL;
	auto_vms struct vms vms = {0};
	struct opts o = {.who = {.all = false}};
	struct control c;
	const char *name;

	if (vms_opt_parse(&spec, argc, argv, &o, &o.who, e) < 0)
		return -1;
	if (o.who.n_words != 2)
		return opt_usage(&spec, e, "rename takes a VM and its new name");
	name = o.who.words[1];
	o.who.n_words = 1;
	if (vms_resolve_one(base, &o.who, &vms, e) < 0)
		return -1;
	/* One that is still starting knows its directory by its name. */
	if (control_connect(vms.v[0].dir, &c, e) == 0 &&
	        rundir_rename(base, vms.v[0].name, name, e) == 0)
		answer =
		        control_ask(&c, json_pack("{s:s, s:s}", "type", "RENAME", "name", name), e);
	control_close(&c);
	return answer ? FCVM_EX_OK : act_failed(&vms.v[0], e);
}
