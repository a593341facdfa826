/* SPDX-License-Identifier: MIT
 * One request to each of several VMs, that the end of their containers answers. */
#include "act.h"
#include "cleanup.h"
#include "dirs.h"
#include "json.h"
#include "status.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* One that is asked. */
struct asked {
	const struct vm *vm;
	struct control c;
	int lock;
	bool missed; /* it ended before it could be asked */
};

/* The status of a VM that has ended by now; -1: nothing was kept of it. */
static int recorded(const struct vm *vm)
{
	auto_free char *base = dirs_run(), *data = dirs_data();
	struct vms_selector one = {.data = data};
	auto_vms struct vms vms = {0};
	struct err e;
	int status = -1;

	strv_add(&one.names, vm->name);
	if (vms_resolve_one(base, &one, &vms, &e) == 0 && vms.v->ended)
		status = (int)vm_number(vms.v, "exit");
	strv_free(&one.names);
	return status;
}

static int tell(const struct vm *vm, int status, enum act_tell what)
{
	if (what == ACT_TELL_NAME)
		puts(vm->name);
	else if (what == ACT_TELL_STATUS)
		printf("%d\n", status);
	fflush(stdout);
	return 0;
}

/* What is known of a VM that ended without an answer. */
static int look_up(struct asked *a, enum act_tell what, struct err *e)
{
	int status;

	vm_wait_gone(a->lock);
	status = recorded(a->vm);
	if (status < 0 && what == ACT_TELL_STATUS)
		return err_set(e, FCVM_EX_NOTFOUND, "%s has ended, and nothing was kept of it",
		        a->vm->name);
	return tell(a->vm, status, what);
}

/* Waits for ENDED. A VM that dies without a word has ended all the same, and one that was about to
 * end may not have seen the request. */
static int await(struct asked *a, enum act_tell what, struct err *e)
{
	bool ended = false;
	auto_json json_t *answer = control_receive(&a->c, -1, &ended, e);
	const char *type = json_string_value(json_object_get(answer, "type"));

	if (!answer)
		return ended ? look_up(a, what, e) : act_failed(a->vm, e);
	if (!type || strcmp(type, "ENDED") != 0)
		return err_set(e, FCVM_EX_FAIL, "%s: the VM answered something else", a->vm->name);
	if (what != ACT_TELL_STATUS)
		vm_wait_gone(a->lock);
	return tell(a->vm, (int)json_integer_value(json_object_get(answer, "status")), what);
}

static void ask(struct asked *a, const json_t *request, struct err *failed)
{
	struct err e;

	a->lock = vm_open_lock(a->vm);
	if (control_connect(a->vm->dir, &a->c, &e) == 0 &&
	        control_send(&a->c, json_deep_copy(request), &e) == 0)
		return;
	control_close(&a->c);
	a->missed = e.status == FCVM_EX_NOTFOUND;
	if (a->missed)
		return;
	act_failed(a->vm, &e);
	act_keep(failed, &e);
}

static int answer(struct asked *a, enum act_tell what, struct err *e)
{
	if (a->vm->ended)
		return tell(a->vm, (int)vm_number(a->vm, "exit"), what);
	if (a->c.fd >= 0)
		return await(a, what, e);
	if (!a->missed)
		return 0; /* it was said already */
	return look_up(a, what, e);
}

/* All are asked before any is waited for. */
int act_end(const struct vms *vms, const json_t *request, enum act_tell what, struct err *e)
{
	auto_free struct asked *all = xcalloc(vms->n ? vms->n : 1, sizeof *all);
	struct err failed = {.text = ""};

	for (size_t i = 0; i < vms->n; i++) {
		all[i] = (struct asked){.vm = &vms->v[i], .c.fd = -1, .lock = -1};
		if (!all[i].vm->ended)
			ask(&all[i], request, &failed);
	}
	for (size_t i = 0; i < vms->n; i++) {
		if (answer(&all[i], what, e) < 0)
			act_keep(&failed, e);
		control_close(&all[i].c);
		if (all[i].lock >= 0)
			close(all[i].lock);
	}
	*e = failed;
	return failed.status ? -1 : 0;
}
