/* SPDX-License-Identifier: MIT */
#include "clone_tool.h"
#include "cleanup.h"
#include "name.h"
#include "shquote.h"
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

static void publish(const json_t *meta, const struct clone_opts *o, struct strv *args)
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

int clone_check(const struct clone_opts *o, struct err *e)
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

int clone_options(const struct snapshot *s, const struct clone_opts *o, struct err *e)
{
	const json_t *machine = json_object_get(s->meta, "machine");
	bool network = json_is_true(json_object_get(machine, "network"));
	bool disk = snapshot_is_disk(s->meta);
	auto_strv struct strv args = {0};
	char count[24];

	/* One that boots may have what the other had not. */
	network |= disk && (o->publish.n || o->network);
	if (!network && (o->publish.n || (o->network && strcmp(o->network, "none") != 0)))
		return err_set(e, FCVM_EX_USAGE,
		        "the snapshot %s has no network interface, so its clones have none",
		        o->tag);
	if (network)
		publish(s->meta, o, &args);
	if (!network || o->network)
		strv_addl(&args, "--network", network ? o->network : "none", NULL);
	if (o->name)
		strv_addl(&args, "--name", o->name, NULL);
	if (o->detach)
		strv_add(&args, "--detach");
	if (o->rm)
		strv_add(&args, "--rm");
	snprintf(count, sizeof count, "%llu", (unsigned long long)o->count);
	shquote_assign(stdout, "tag", o->tag);
	shquote_assign(stdout, "count", count);
	shquote_assign(stdout, "exec", o->exec);
	shquote_assign(stdout, "has_network", network && !disk ? "1" : "0");
	shquote_assign(stdout, "has_volumes",
	        json_array_size(json_object_get(s->meta, "volumes")) > 0 ? "1" : "0");
	shquote_assign(stdout, "clone_rm", o->rm ? "1" : "0");
	shquote_assign_list(stdout, "run_args", &args);
	return 0;
}
