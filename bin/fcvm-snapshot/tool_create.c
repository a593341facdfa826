/* SPDX-License-Identifier: MIT
 * create and restore: the VM's own process does it; this one asks for it and waits. */
#include "cleanup.h"
#include "control.h"
#include "dirs.h"
#include "json.h"
#include "msg.h"
#include "snapshot_tool.h"
#include "status.h"
#include "vms.h"

#include <stdio.h>

/* Its answer, or NULL with e filled. Takes the reference. */
static json_t *ask(const struct vms *vms, json_t *request, struct err *e)
{
	struct control c = {.fd = -1};
	json_t *answer = NULL;

	if (control_connect(vms->v[0].dir, &c, e) < 0)
		json_decref(request);
	else if (control_send(&c, request, e) == 0)
		answer = control_receive(&c, -1, NULL, e);
	control_close(&c);
	if (!answer)
		err_prefix(e, "%s", vms->v[0].name);
	return answer;
}

static void say(const struct tool_opts *o, const json_t *answer)
{
	const json_t *made = json_object_get(answer, "answer");

	if (o->json)
		json_print(made);
	else if (!o->quiet)
		puts(json_string_value(json_object_get(made, "tag")));
}

int tool_create(const struct snapshots *s, const struct tool_opts *o, char **words, struct err *e)
{
	auto_free char *base = dirs_run();
	auto_vms struct vms vms = {0};
	auto_json json_t *answer = NULL;
	auto_fd int lock = -1;
	struct vms_selector who = {.words = words, .n_words = 1};

	(void)s;
	if (!tool_word(words, "create", "VM", e) || vms_resolve_one(base, &who, &vms, e) < 0)
		return -1;
	if (o->stop)
		lock = vm_open_lock(&vms.v[0]);
	answer = ask(&vms,
	        json_pack("{s:s, s:s*, s:b, s:b}", "type", "SNAPSHOT", "tag", o->tag, "stop",
	                (int)o->stop, "diskOnly", (int)o->disk_only),
	        e);
	if (!answer)
		return -1;
	vm_wait_gone(lock);
	say(o, answer);
	return FCVM_EX_OK;
}

int tool_restore(const struct snapshots *s, const struct tool_opts *o, char **words, struct err *e)
{
	auto_free char *base = dirs_run();
	auto_vms struct vms vms = {0};
	auto_json json_t *answer = NULL;
	struct vms_selector who = {.words = words, .n_words = 1};
	json_int_t lost;

	(void)s;
	if (!tool_word(words, "restore", "VM", e))
		return -1;
	if (!o->in_place)
		return err_set(e, FCVM_EX_USAGE,
		        "restore takes --in-place: the VM loses what it has done since; 'fcvm "
		        "snapshot run' makes another VM");
	if (vms_resolve_one(base, &who, &vms, e) < 0)
		return -1;
	answer = ask(&vms, json_pack("{s:s, s:s*}", "type", "REWIND", "tag", o->tag), e);
	if (!answer)
		return -1;
	say(o, answer);
	lost = json_integer_value(json_object_get(json_object_get(answer, "answer"), "lost"));
	if (lost > 0)
		msg("note: open files and locks on its volumes that could not be had again: %lld",
		        (long long)lost);
	return FCVM_EX_OK;
}
