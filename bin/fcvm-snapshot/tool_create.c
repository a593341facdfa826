/* SPDX-License-Identifier: MIT
 * create: the VM's own process makes the snapshot; this one asks for it and waits. */
#include "cleanup.h"
#include "control.h"
#include "dirs.h"
#include "json.h"
#include "snapshot_tool.h"
#include "vms.h"

#include <stdio.h>

int tool_create(const struct snapshots *s, const struct tool_opts *o, char **words, struct err *e)
{
	auto_free char *base = dirs_run();
	auto_vms struct vms vms = {0};
	auto_json json_t *answer = NULL;
	auto_fd int lock = -1;
	struct vms_selector who = {.words = words, .n_words = 1};
	struct control c = {.fd = -1};
	json_t *made;

	(void)s;
	if (!tool_word(words, "create", "VM", e) || vms_resolve_one(base, &who, &vms, e) < 0)
		return -1;
	if (o->stop)
		lock = vm_open_lock(&vms.v[0]);
	if (control_connect(vms.v[0].dir, &c, e) == 0 &&
	        control_send(&c,
	                json_pack("{s:s, s:s*, s:b, s:b}", "type", "SNAPSHOT", "tag", o->tag,
	                        "stop", (int)o->stop, "diskOnly", (int)o->disk_only),
	                e) == 0)
		answer = control_receive(&c, -1, NULL, e);
	control_close(&c);
	if (!answer)
		return err_prefix(e, "%s", vms.v[0].name);
	vm_wait_gone(lock);
	made = json_object_get(answer, "answer");
	if (o->json)
		json_print(made);
	else if (!o->quiet)
		puts(json_string_value(json_object_get(made, "tag")));
	return 0;
}
