/* SPDX-License-Identifier: MIT */
#include "snapshot_meta.h"
#include "cleanup.h"
#include "json.h"
#include "proto.h"
#include "status.h"
#include "template_key.h"
#include "version.h"

#include <string.h>

static json_t *describe(
        const struct vmm_ops *ops, const struct vmm_config *c, const json_t *kernel, struct err *e)
{
	auto_free char *monitor = ops->identity(e);
	json_t *k = (json_t *)(uintptr_t)kernel;

	if (!monitor)
		return NULL;
	return json_pack("{s:s, s:s, s:s, s:I, s:I, s:I, s:I, s:b, s:i, s:s, s:o, s:O?}",
	        "hypervisor", ops->name, "monitor", monitor, "accel", c->accel, "cpus",
	        (json_int_t)c->cpus, "memory", (json_int_t)c->memory, "scratchSize",
	        (json_int_t)c->scratch_size, "ports", (json_int_t)c->n_ports, "network",
	        c->tap >= 0, "protocol", PROTO_VERSION, "version", FCVM_VERSION, "host",
	        template_host(), "kernel", k);
}

int snapshot_meta_add(
        json_t *meta, const struct supervise_opts *o, const struct vmm_ops *ops, struct err *e)
{
	json_t *machine = describe(ops, o->saving->config, o->kernel, e);
	char version[40];

	if (!machine)
		return -1;
	json_object_set_new(meta, "machine", machine);
	if (ops->check(version, sizeof version, e) < 0)
		return -1;
	json_object_set_new(machine, "monitorVersion", json_string(version));
	json_object_set(meta, "image", json_object_get(o->plan, "image"));
	json_object_set(meta, "ports", json_object_get(o->net, "ports"));
	return 0;
}

/* Numbers and words as they are said in a message. */
static void say(const json_t *v, char *out, size_t size)
{
	if (json_is_string(v))
		snprintf(out, size, "%s", json_string_value(v));
	else if (json_is_integer(v))
		snprintf(out, size, "%lld", (long long)json_integer_value(v));
	else
		snprintf(out, size, "%s", json_is_true(v) ? "yes" : "no");
}

static int differs(const char *what, const json_t *then, const json_t *now, struct err *e)
{
	char was[100], is[100];

	say(then, was, sizeof was);
	say(now, is, sizeof is);
	return err_set(e, FCVM_EX_DATA, "it is of another machine: its %s is %s, and here it is %s",
	        what, was, is);
}

/* The program was replaced: the release tells. */
static int check_monitor(
        const json_t *then, const json_t *now, const struct vmm_ops *ops, struct err *e)
{
	auto_json json_t *release = NULL;
	char version[40];

	if (json_equal(json_object_get(then, "monitor"), json_object_get(now, "monitor")))
		return 0;
	if (ops->check(version, sizeof version, e) < 0)
		return -1;
	release = json_string(version);
	if (json_equal(json_object_get(then, "monitorVersion"), release))
		return 0;
	return differs("hypervisor's version", json_object_get(then, "monitorVersion"), release, e);
}

/* An emulated processor is the same everywhere. */
static int check_cpu(const json_t *then, const json_t *now, struct err *e)
{
	const json_t *a = json_object_get(then, "host"), *b = json_object_get(now, "host");
	const char *accel = json_string_value(json_object_get(now, "accel"));

	if (!json_equal(json_object_get(a, "machine"), json_object_get(b, "machine")))
		return differs("architecture", json_object_get(a, "machine"),
		        json_object_get(b, "machine"), e);
	if (!accel || strcmp(accel, "kvm") != 0)
		return 0;
	if (!json_equal(json_object_get(a, "cpu"), json_object_get(b, "cpu")) ||
	        !json_equal(json_object_get(a, "flags"), json_object_get(b, "flags")))
		return differs(
		        "processor", json_object_get(a, "cpu"), json_object_get(b, "cpu"), e);
	return 0;
}

static int check_kernel(const json_t *then, const json_t *now, struct err *e)
{
	const json_t *a = json_object_get(then, "kernel"), *b = json_object_get(now, "kernel");

	if (!json_is_object(a) || !json_is_object(b) ||
	        json_equal(json_object_get(a, "key"), json_object_get(b, "key")))
		return 0;
	if (json_equal(json_object_get(a, "release"), json_object_get(b, "release")))
		return differs("kernel", json_object_get(a, "key"), json_object_get(b, "key"), e);
	return differs("kernel", json_object_get(a, "release"), json_object_get(b, "release"), e);
}

int snapshot_meta_check(const json_t *meta, const struct vmm_ops *ops, const struct vmm_config *c,
        const json_t *kernel, struct err *e)
{
	static const struct {
		const char *key, *what;
	} same[] = {{"hypervisor", "hypervisor"}, {"accel", "accelerator"},
	        {"protocol", "agent's protocol"}, {"cpus", "number of processors"},
	        {"memory", "memory"}, {"scratchSize", "disk's size"},
	        {"ports", "number of volumes"}, {"network", "network interface"}};
	const json_t *then = json_object_get(meta, "machine");
	auto_json json_t *now = describe(ops, c, kernel, e);

	if (!now)
		return -1;
	for (size_t i = 0; i < sizeof same / sizeof *same; i++)
		if (!json_equal(
		            json_object_get(then, same[i].key), json_object_get(now, same[i].key)))
			return differs(same[i].what, json_object_get(then, same[i].key),
			        json_object_get(now, same[i].key), e);
	if (check_kernel(then, now, e) < 0 || check_cpu(then, now, e) < 0)
		return -1;
	return check_monitor(then, now, ops, e);
}
