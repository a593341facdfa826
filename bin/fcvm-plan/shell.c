/* SPDX-License-Identifier: MIT
 * The options as shell assignments. Everything is in single quotes, inside which the shell knows
 * no special character but the quote itself; lists are quoted twice, once for each eval. The names
 * have a prefix that nobody exports: a shell would pass the new value on to all its programs. */
#include "cleanup.h"
#include "dirs.h"
#include "plan.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

static void quote(FILE *f, const char *s)
{
	putc('\'', f);
	for (; *s; s++) {
		if (*s == '\'')
			fputs("'\\''", f);
		else
			putc(*s, f);
	}
	putc('\'', f);
}

static void assign(FILE *f, const char *name, const char *value)
{
	fprintf(f, "fcvm__%s=", name);
	quote(f, value ? value : "");
	putc('\n', f);
}

static void assign_list(FILE *f, const char *name, const struct strv *words)
{
	char *text = NULL;
	size_t size;
	FILE *inner = open_memstream(&text, &size);

	for (size_t i = 0; i < words->n; i++) {
		if (i)
			putc(' ', inner);
		quote(inner, words->v[i]);
	}
	fclose(inner);
	assign(f, name, text);
	free(text);
}

static bool is_set(const char *variable)
{
	const char *v = getenv(variable);

	return v && *v && strcmp(v, "0") != 0;
}

/* Templates are used by those who ask for them. */
static bool no_snapshot(const struct plan_opts *o)
{
	return o->no_snapshot || is_set("FCVM_NO_SNAPSHOT") || !is_set("FCVM_SNAPSHOT");
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
	assign(f, "image", o->image);
	assign(f, "name", o->name);
	assign(f, "pull", o->pull);
	assign(f, "platform", o->platform);
	assign(f, "authfile", o->authfile);
	assign(f, "tls_verify", o->tls_verify ? "true" : "false");
	assign(f, "setup", o->setup ? "1" : "0");
	assign(f, "no_snapshot", no_snapshot(o) ? "1" : "0");
	assign(f, "strace_agent", o->strace_agent ? "1" : "0");
	assign(f, "hypervisor", o->hypervisor);
	assign(f, "accel", o->accel);
	assign(f, "network", o->network);
	assign_list(f, "net_args", &net);
	assign_list(f, "vol_args", &o->volume);
	assign(f, "image_volumes",
	        !o->image_volume || !strcmp(o->image_volume, "anonymous") ||
	                        !strcmp(o->image_volume, "bind")
	                ? "1"
	                : "0");
	assign(f, "rm", o->rm ? "1" : "0");
	assign_list(f, "front_args", &front);
	assign(f, "publish_all", o->publish_all ? "1" : "0");
	assign(f, "replace", o->replace ? "1" : "0");
	assign(f, "data_dir", data);
	assign(f, "root", geteuid() == 0 ? "1" : "0");
	fclose(f);
	return text;
}
