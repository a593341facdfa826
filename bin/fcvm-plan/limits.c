/* SPDX-License-Identifier: MIT
 * --ulimit: process.rlimits of the OCI runtime specification. */
#include "cleanup.h"
#include "json.h"
#include "num.h"
#include "plan.h"
#include "status.h"

#include <stdio.h>
#include <string.h>

/* Podman's defaults. The guest's kernel grants no more descriptors than this (fs.nr_open). */
#define DEFAULT_LIMIT 1048576

static const char *const known[] = {"as", "core", "cpu", "data", "fsize", "locks", "memlock",
        "msgqueue", "nice", "nofile", "nproc", "rss", "rtprio", "rttime", "sigpending", "stack",
        NULL};

/* -1 and "unlimited" are RLIM_INFINITY, which is -1 in JSON: the plan's numbers are signed. */
static int limit(const char *s, int64_t *out)
{
	uint64_t v;

	if (!strcmp(s, "-1") || !strcmp(s, "unlimited")) {
		*out = -1;
		return 0;
	}
	if (num_u64(s, 0, INT64_MAX, &v) < 0)
		return -1;
	*out = (int64_t)v;
	return 0;
}

static void put(json_t *limits, const char *name, int64_t soft, int64_t hard)
{
	char type[32] = "RLIMIT_";
	size_t n = strlen(type);

	for (; *name && n + 1 < sizeof type; name++)
		type[n++] = (char)(*name - 'a' + 'A');
	type[n] = 0;
	json_object_set_new(limits, type,
	        json_pack("{s:s, s:I, s:I}", "type", type, "soft", (json_int_t)soft, "hard",
	                (json_int_t)hard));
}

static int check_name(const char *name, const char *spec, struct err *e)
{
	const char *hit;

	for (size_t i = 0; known[i]; i++)
		if (!strcmp(known[i], name))
			return 0;
	hit = opt_closest(name, known);
	if (hit)
		return err_set(e, FCVM_EX_USAGE, "--ulimit %s: no such limit: did you mean %s?",
		        spec, hit);
	return err_set(e, FCVM_EX_USAGE, "--ulimit %s: no such limit: see getrlimit(2)", spec);
}

static int add_one(const char *spec, void *ctx, struct err *e)
{
	auto_free char *name = xstrdup(spec);
	char *soft = strchr(name, '='), *hard;
	int64_t s, h;

	if (!strcmp(spec, "host"))
		return err_set(e, FCVM_EX_USAGE,
		        "--ulimit host: a VM has its own kernel and does not share the host's "
		        "limits");
	if (!soft)
		return err_set(e, FCVM_EX_USAGE, "--ulimit %s: not NAME=SOFT[:HARD]", spec);
	*soft++ = 0;
	hard = strchr(soft, ':');
	if (hard)
		*hard++ = 0;
	if (check_name(name, spec, e) < 0)
		return -1;
	if (limit(soft, &s) < 0 || limit(hard ? hard : soft, &h) < 0)
		return err_set(
		        e, FCVM_EX_USAGE, "--ulimit %s: not NAME=SOFT[:HARD] with numbers", spec);
	if ((uint64_t)s > (uint64_t)h)
		return err_set(e, FCVM_EX_USAGE,
		        "--ulimit %s: the soft limit is above the hard limit", spec);
	put(ctx, name, s, h);
	return 0;
}

json_t *plan_rlimits(const struct plan_opts *o, struct err *e)
{
	auto_json json_t *by_type = json_object();
	json_t *list, *l;
	const char *type;

	put(by_type, "nofile", DEFAULT_LIMIT, DEFAULT_LIMIT);
	put(by_type, "nproc", DEFAULT_LIMIT, DEFAULT_LIMIT);
	for (size_t i = 0; i < o->ulimit.n; i++)
		if (plan_each_part(o->ulimit.v[i], add_one, by_type, e) < 0)
			return NULL;
	list = json_array();
	json_object_foreach(by_type, type, l)
	{
		json_array_append(list, l);
	}
	return list;
}
