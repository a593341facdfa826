/* SPDX-License-Identifier: MIT
 * What `fcvm snapshot run` is made of: the options as shell assignments, and the plan of a clone.
 */
#include "cleanup.h"
#include "json.h"
#include "name.h"
#include "shquote.h"
#include "snapshot_tool.h"
#include "status.h"

#include <stdio.h>
#include <string.h>

#define COUNT_MAX 1000

/* "ADDRESS:HOSTPORT->PORT/PROTOCOL" as an option: "HOSTPORT:PORT/PROTOCOL", without the address,
 * which is the other machine's. Malloc'd, or NULL. */
static char *port_option(const char *port)
{
	const char *arrow = port ? strstr(port, "->") : NULL, *colon = arrow;

	while (colon && colon > port && *colon != ':')
		colon--;
	if (!colon || *colon != ':')
		return NULL;
	return xasprintf("%.*s:%s", (int)(arrow - colon) - 1, colon + 1, arrow + 2);
}

static bool contains(const struct strv *list, const char *word)
{
	for (size_t i = 0; i < list->n; i++)
		if (!strcmp(list->v[i], word))
			return true;
	return false;
}

static void publish(const json_t *meta, const struct tool_opts *o, struct strv *args)
{
	auto_strv struct strv seen = {0};
	const json_t *port;
	size_t i;

	for (i = 0; i < o->publish.n; i++)
		strv_addl(args, "--publish", o->publish.v[i], NULL);
	if (o->publish.n || (o->network && !strcmp(o->network, "none")))
		return;
	json_array_foreach(json_object_get(meta, "ports"), i, port)
	{
		auto_free char *option = port_option(json_string_value(port));

		if (!option || contains(&seen, option))
			continue;
		strv_add(&seen, option);
		strv_addl(args, "--publish", option, NULL);
	}
}

static int check(const struct tool_opts *o, struct err *e)
{
	if (o->volume.n)
		return err_set(e, FCVM_EX_USAGE,
		        "--volume %s: a clone has the volumes of the VM that was saved, and no "
		        "others",
		        o->volume.v[0]);
	if (o->count < 1 || o->count > COUNT_MAX)
		return err_set(e, FCVM_EX_USAGE, "--count must be from 1 to %d", COUNT_MAX);
	if (o->count > 1 && !o->detach && !o->exec)
		return err_set(e, FCVM_EX_USAGE,
		        "several clones at once share no terminal: say --detach or --exec");
	if (o->detach && o->exec)
		return err_set(e, FCVM_EX_USAGE,
		        "--exec ends the clone with its command: use fcvm exec after --detach");
	if (o->name && !name_valid(o->name))
		return err_set(e, FCVM_EX_USAGE, "%s: %s", o->name, NAME_RULE);
	return 0;
}

/* The options that `fcvm run` would have for such a machine. */
int tool_options(const struct snapshots *s, const struct tool_opts *o, char **words, struct err *e)
{
	const char *tag = tool_word(words, "run", "snapshot's tag", e);
	auto_strv struct strv args = {0};
	struct snapshot found;
	char count[24];
	bool network, volumes, disk;

	if (!tag || check(o, e) < 0 || snapshots_find(s, tag, &found, e) < 0)
		return -1;
	network = json_is_true(json_object_get(json_object_get(found.meta, "machine"), "network"));
	disk = snapshot_is_disk(found.meta);
	/* One that boots may have what the other had not. */
	network |= disk && (o->publish.n || o->network);
	if (!network && (o->publish.n || (o->network && strcmp(o->network, "none") != 0))) {
		snapshot_close(&found);
		return err_set(e, FCVM_EX_USAGE,
		        "the snapshot %s has no network interface, so its clones have none", tag);
	}
	if (network)
		publish(found.meta, o, &args);
	if (!network || o->network)
		strv_addl(&args, "--network", network ? o->network : "none", NULL);
	if (o->name)
		strv_addl(&args, "--name", o->name, NULL);
	if (o->detach)
		strv_add(&args, "--detach");
	if (o->rm)
		strv_add(&args, "--rm");
	volumes = json_array_size(json_object_get(found.meta, "volumes")) > 0;
	snapshot_close(&found);
	snprintf(count, sizeof count, "%llu", (unsigned long long)o->count);
	shquote_assign(stdout, "tag", tag);
	shquote_assign(stdout, "count", count);
	shquote_assign(stdout, "exec", o->exec);
	shquote_assign(stdout, "has_network", network && !disk ? "1" : "0");
	shquote_assign(stdout, "has_volumes", volumes ? "1" : "0");
	shquote_assign(stdout, "clone_rm", o->rm ? "1" : "0");
	shquote_assign_list(stdout, "run_args", &args);
	return FCVM_EX_OK;
}

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

int tool_plan(const struct snapshots *s, const struct tool_opts *o, char **words, struct err *e)
{
	const char *tag = tool_word(words, "plan", "snapshot's tag", e), *old, *host;
	struct snapshot found;
	json_t *plan;

	if (!tag)
		return -1;
	if (!o->name || !name_valid(o->name))
		return err_set(e, FCVM_EX_USAGE, "plan needs --name");
	if (snapshots_find(s, tag, &found, e) < 0)
		return -1;
	plan = found.plan;
	old = json_string_value(json_object_get(plan, "name"));
	host = json_string_value(json_object_get(plan, "hostname"));
	if (old && host && !strcmp(old, host)) {
		rename_in_env(
		        json_object_get(json_object_get(plan, "process"), "env"), old, o->name);
		json_object_set_new(plan, "hostname", json_string(o->name));
	}
	json_object_set_new(plan, "name", json_string(o->name));
	json_object_set_new(json_object_get(plan, "fcvm"), "remove", json_boolean(o->rm));
	json_object_set(plan, "snapshot", json_object_get(found.meta, "id"));
	json_print(plan);
	snapshot_close(&found);
	return FCVM_EX_OK;
}
