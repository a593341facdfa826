/* SPDX-License-Identifier: MIT */
#include "verbs.h"
#include "cleanup.h"
#include "dirs.h"
#include "json.h"
#include "show.h"
#include "status.h"
#include "tmpl.h"

struct opts {
	const char *format;
	struct vms_selector who;
};

static const struct opt table[] = {
        {'f', "format", "TEMPLATE", "print this for each VM instead of JSON", OPT_STR,
                offsetof(struct opts, format), false},
        VMS_OPT_NAME(offsetof(struct opts, who)),
        VMS_OPT_PID(offsetof(struct opts, who)),
        VMS_OPT_LATEST(offsetof(struct opts, who)),
        VMS_OPT_ALL(offsetof(struct opts, who)),
        OPT_END,
};

static const struct opt_spec spec = {
        .usage = "fcvm-ctl inspect [options] [VM…]",
        .summary = "Prints all that is known of VMs: their states, with the plan as a member.",
        .table = table,
};

/* The plan is null while the VM has none yet, and after its end: it may hold secrets. */
static json_t *describe(const struct vm *vm)
{
	auto_free char *path = xasprintf("%s/plan.json", vm->dir);
	json_t *doc = json_copy(vm->state), *plan = json_load_at(-1, path, NULL);

	json_object_set_new(doc, "plan", plan ? plan : json_null());
	return doc;
}

static int print(const struct vms *vms, const char *format, struct err *e)
{
	auto_json json_t *all = json_array();
	json_t *doc;
	size_t i;

	for (i = 0; i < vms->n; i++)
		json_array_append_new(all, describe(&vms->v[i]));
	if (!format) {
		show_json(stdout, all, JSON_INDENT(1));
		putchar('\n');
		return FCVM_EX_OK;
	}
	json_array_foreach(all, i, doc)
	{
		if (tmpl_expand(format, tmpl_json_path, doc, stdout, e) < 0)
			return -1;
		putchar('\n');
	}
	return FCVM_EX_OK;
}

int ctl_inspect(int argc, char **argv, struct err *e)
{
	auto_free char *base = dirs_run(), *data = dirs_data();
	auto_vms struct vms vms = {0};
	struct opts o = {.format = NULL};
	int r = vms_opt_parse(&spec, argc, argv, &o, &o.who, e);

	o.who.data = data;
	if (r == 0)
		r = vms_resolve(base, &o.who, &vms, e);
	if (r == 0)
		r = print(&vms, o.format, e);
	vms_selector_free(&o.who);
	return r;
}
