/* SPDX-License-Identifier: MIT
 * The options as shell assignments. */
#include "cleanup.h"
#include "dirs.h"
#include "plan.h"
#include "shquote.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

static bool is_set(const char *variable)
{
	const char *v = getenv(variable);

	return v && *v && strcmp(v, "0") != 0;
}

static bool no_snapshot(const struct plan_opts *o)
{
	return o->no_snapshot || is_set("FCVM_NO_SNAPSHOT");
}

static void each(struct strv *args, const char *option, const struct strv *values)
{
	for (size_t i = 0; i < values->n; i++)
		strv_addl(args, option, values->v[i], NULL);
}

/* fcvm-net's. Without an uplink and ports there is nothing for it to do. */
static void net_args(const struct plan_opts *o, struct strv *args)
{
	const char *mode = o->network ? o->network : "rootless";

	if (!strcmp(mode, "none") && !o->publish.n && !o->publish_all && !o->net_name && !o->ip &&
	        !o->ip6)
		return;
	strv_addl(args, "--network", mode, NULL);
	each(args, "--publish", &o->publish);
	each(args, "--dns", &o->dns);
	if (o->net_name)
		strv_addl(args, "--net-name", o->net_name, NULL);
	each(args, "--network-alias", &o->network_alias);
	if (o->ip)
		strv_addl(args, "--ip", o->ip, NULL);
	if (o->ip6)
		strv_addl(args, "--ip6", o->ip6, NULL);
	if (o->mtu)
		strv_addf(args, "--mtu=%llu", (unsigned long long)o->mtu);
}

char *plan_options_shell(const struct plan_opts *o)
{
	auto_strv struct strv net = {0}, front = {0};
	auto_free char *data = dirs_data();
	char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	net_args(o, &net);
	if (o->detach)
		strv_addl(&front, "--detach",
		        o->wait && !strcmp(o->wait, "healthy") ? "healthy" : "started", NULL);
	if (o->detach_keys)
		strv_addl(&front, "--detach-keys", o->detach_keys, NULL);
	if (o->cidfile)
		strv_addl(&front, "--cidfile", o->cidfile, NULL);
	shquote_assign(f, "image", o->image);
	shquote_assign(f, "name", o->name);
	shquote_assign(f, "pull", o->pull);
	shquote_assign(f, "platform", o->platform);
	shquote_assign(f, "authfile", o->authfile);
	shquote_assign(f, "tls_verify", o->tls_verify ? "true" : "false");
	shquote_assign(f, "setup", o->setup ? "1" : "0");
	shquote_assign(f, "no_snapshot", no_snapshot(o) ? "1" : "0");
	shquote_assign(f, "warm", o->warm ? "1" : "0");
	shquote_assign(f, "strace_agent", o->strace_agent ? "1" : "0");
	shquote_assign_list(f, "net_args", &net);
	shquote_assign_list(f, "vol_args", &o->volume);
	shquote_assign(f, "image_volumes",
	        !o->image_volume || !strcmp(o->image_volume, "anonymous") ||
	                        !strcmp(o->image_volume, "bind")
	                ? "1"
	                : "0");
	shquote_assign(f, "rm", o->rm ? "1" : "0");
	shquote_assign_list(f, "front_args", &front);
	shquote_assign(f, "publish_all", o->publish_all ? "1" : "0");
	shquote_assign(f, "replace", o->replace ? "1" : "0");
	shquote_assign(f, "data_dir", data);
	shquote_assign(f, "root", geteuid() == 0 ? "1" : "0");
	fclose(f);
	return text;
}
