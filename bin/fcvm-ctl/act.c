/* SPDX-License-Identifier: MIT */
#include "act.h"
#include "cleanup.h"
#include "dirs.h"
#include "json.h"
#include "msg.h"
#include "status.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>

int act_find(const struct opt_spec *spec, int argc, char **argv, void *target,
        struct vms_selector *who, enum act_ended ended, struct vms *vms, struct err *e)
{
	auto_free char *base = dirs_run(), *data = dirs_data();
	int r = vms_opt_parse(spec, argc, argv, target, who, e);

	if (ended == ACT_ENDED_ALL || (ended == ACT_ENDED_NAMED && !who->all))
		who->data = data;
	if (r == 0)
		r = vms_resolve(base, who, vms, e);
	vms_selector_free(who);
	return r;
}

int act_failed(const struct vm *vm, struct err *e)
{
	return err_prefix(e, "%s", vm->name);
}

json_t *act_request(const char *type)
{
	return json_pack("{s:s}", "type", type);
}

json_t *act_ask(const struct vm *vm, json_t *request, struct err *e)
{
	struct control c;
	json_t *answer = NULL;

	if (control_connect(vm->dir, &c, e) == 0)
		answer = control_ask(&c, request, e);
	else
		json_decref(request);
	control_close(&c);
	if (!answer)
		act_failed(vm, e);
	return answer;
}

void act_keep(struct err *first, const struct err *e)
{
	if (first->status)
		msg_err(first);
	*first = *e;
}

int act_each(const struct vms *vms, const json_t *request, int timeout_ms, struct err *e)
{
	struct err failed = {.text = ""}, one;

	for (size_t i = 0; i < vms->n; i++) {
		auto_json json_t *answer = NULL;
		struct control c;

		if (control_connect(vms->v[i].dir, &c, &one) == 0 &&
		        control_send(&c, json_deep_copy(request), &one) == 0)
			answer = control_receive(&c, timeout_ms, NULL, &one);
		control_close(&c);
		if (answer) {
			puts(vms->v[i].name);
		} else {
			act_failed(&vms->v[i], &one);
			act_keep(&failed, &one);
		}
	}
	if (!failed.status)
		return 0;
	*e = failed;
	return -1;
}
