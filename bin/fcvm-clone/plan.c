/* SPDX-License-Identifier: MIT */
#include "clone_tool.h"
#include "cleanup.h"
#include "json.h"
#include "status.h"

#include <string.h>

/* What was called after the VM is called after the clone. */
static void rename_in_env(json_t *env, const char *old, const char *name)
{
	auto_free char *was = xasprintf("HOSTNAME=%s", old);
	auto_free char *is = xasprintf("HOSTNAME=%s", name);
	const json_t *v;
	size_t i;

	json_array_foreach(env, i, v)
	{
		const char *text = json_string_value(v);

		if (text && !strcmp(text, was))
			json_array_set_new(env, i, json_string(is));
	}
}

int clone_plan(const struct snapshot *s, const struct clone_opts *o, struct err *e)
{
	const char *old = json_string_value(json_object_get(s->plan, "name"));
	const char *host = json_string_value(json_object_get(s->plan, "hostname"));
	json_t *plan = s->plan; /* the caller's, who needs it no more */

	if (!o->name)
		return err_set(e, FCVM_EX_USAGE, "plan needs --name");
	if (old && host && !strcmp(old, host)) {
		rename_in_env(
		        json_object_get(json_object_get(plan, "process"), "env"), old, o->name);
		json_object_set_new(plan, "hostname", json_string(o->name));
	}
	json_object_set_new(plan, "name", json_string(o->name));
	json_object_set_new(json_object_get(plan, "fcvm"), "remove", json_boolean(o->rm));
	json_object_set(plan, "snapshot", json_object_get(s->meta, "id"));
	json_print(plan);
	return 0;
}
