/* SPDX-License-Identifier: MIT
 * Puts the plan together. */
#include "cleanup.h"
#include "json.h"
#include "num.h"
#include "plan.h"
#include "status.h"

#include <signal.h>
#include <string.h>

/* --entrypoint: a JSON list of strings, else one word, as podman reads it. */
static json_t *entrypoint_words(const char *s, struct err *e)
{
	json_t *list = *s == '[' ? json_loads(s, JSON_REJECT_DUPLICATES, NULL) : NULL, *w;
	bool words = json_is_array(list);
	size_t i;

	json_array_foreach(list, i, w)
	{
		words = words && json_is_string(w);
	}
	if (words)
		return list;
	json_decref(list);
	w = plan_string(s, "--entrypoint", e);
	return w ? json_pack("[o]", w) : NULL;
}

/* The image's Cmd counts only when neither a command nor an entrypoint was given; an entrypoint
 * that is one empty word stands for none. */
static json_t *args(const struct plan_opts *o, const struct plan_image *im, struct err *e)
{
	auto_json json_t *list = json_array(), *given = NULL;
	const json_t *entry = im->entrypoint;

	if (o->entrypoint) {
		entry = given = entrypoint_words(o->entrypoint, e);
		if (!given)
			return NULL;
	}
	if (entry && (json_array_size(entry) != 1 || *json_string_value(json_array_get(entry, 0))))
		json_array_extend(list, (json_t *)entry);
	for (int i = 0; i < o->n_command; i++) {
		json_t *w = plan_string(o->command[i], "the command", e);

		if (!w)
			return NULL;
		json_array_append_new(list, w);
	}
	if (o->n_command == 0 && json_array_size(given) == 0 && im->cmd)
		json_array_extend(list, (json_t *)im->cmd);
	if (json_array_size(list) == 0) {
		err_set(e, FCVM_EX_USAGE,
		        "no command or entrypoint provided, and no CMD or ENTRYPOINT from image");
		return NULL;
	}
	return steal_ptr(list);
}

static int add_sizes(const json_t *list, const char *what, size_t *total, struct err *e)
{
	size_t i;
	json_t *w;

	json_array_foreach(list, i, w)
	{
		if (json_string_length(w) > PLAN_WORD_MAX)
			return err_set(e, FCVM_EX_DATA, "a word of the %s is longer than %zu bytes",
			        what, PLAN_WORD_MAX);
		*total += json_string_length(w) + 1 + sizeof(char *);
	}
	return 0;
}

static int check_sizes(const json_t *words, const json_t *env, struct err *e)
{
	size_t total = 0;

	if (add_sizes(words, "command", &total, e) < 0 ||
	        add_sizes(env, "environment", &total, e) < 0)
		return -1;
	if (total > PLAN_WORDS_MAX)
		return err_set(e, FCVM_EX_DATA, "command and environment take more than %zu bytes",
		        PLAN_WORDS_MAX);
	return 0;
}

static const char *given(const char *option, const char *from_image, const char *otherwise)
{
	if (option && *option)
		return option;
	return from_image && *from_image ? from_image : otherwise;
}

static json_t *process(const struct plan_opts *o, const struct plan_image *im, const char *hostname,
        char **caller_env, struct err *e)
{
	const char *user = given(o->user, im->user, "");
	auto_json json_t *words = args(o, im, e), *env = NULL, *caps = NULL, *limits = NULL,
	                 *p = NULL;

	if (!words || !(env = plan_env(o, im, hostname, caller_env, e)) ||
	        !(caps = plan_caps(o, user, e)) || !(limits = plan_rlimits(o, e)) ||
	        check_sizes(words, env, e) < 0)
		return NULL;
	p = json_pack("{s:b, s:O, s:O, s:s, s:{s:s}, s:O, s:O, s:b}", "terminal", (int)o->tty,
	        "args", words, "env", env, "cwd", given(o->workdir, im->workdir, "/"), "user",
	        "username", user, "capabilities", caps, "rlimits", limits, "noNewPrivileges", 0);
	if (!p)
		err_set(e, FCVM_EX_USAGE, "--user or --workdir is not valid UTF-8");
	return steal_ptr(p);
}

static json_t *linux_part(const struct plan_opts *o)
{
	if (o->privileged)
		return json_pack("{s:[], s:[]}", "maskedPaths", "readonlyPaths");
	return json_pack("{s:[s,s,s,s,s,s,s,s,s,s,s], s:[s,s,s,s,s,s]}", "maskedPaths",
	        "/proc/acpi", "/proc/kcore", "/proc/keys", "/proc/latency_stats",
	        "/proc/timer_list", "/proc/timer_stats", "/proc/sched_debug", "/proc/scsi",
	        "/sys/firmware", "/sys/fs/selinux", "/sys/dev/block", "readonlyPaths",
	        "/proc/asound", "/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys",
	        "/proc/sysrq-trigger");
}

static json_t *fcvm_part(const struct plan_opts *o, const struct plan_image *im)
{
	const char *sig = given(o->stop_signal, im->stop_signal, "TERM");
	bool whole = o->cpu_milli % 1000 == 0;

	return json_pack("{s:b, s:b, s:b, s:b, s:i, s:I, s:I, s:b, s:b}", "interactive",
	        (int)o->interactive, "remove", (int)o->rm, "init", (int)o->init, "privileged",
	        (int)o->privileged, "stopSignal", num_signal(sig), "stopTimeout",
	        (json_int_t)o->stop_timeout, "cpuMilli", (json_int_t)(whole ? 0 : o->cpu_milli),
	        "straceAgent", (int)o->strace_agent,
	        /* As podman: the image's own directory is made when it is missing, a mistyped
	         * --workdir is not. */
	        "createCwd", !(o->workdir && *o->workdir));
}

static json_int_t whole_mib(uint64_t bytes)
{
	return (json_int_t)((bytes + 0xfffff) & ~(uint64_t)0xfffff);
}

static const char *unless_auto(const char *word)
{
	return word && strcmp(word, "auto") != 0 ? word : "";
}

static json_t *machine_part(const struct plan_opts *o)
{
	return json_pack("{s:I, s:I, s:I, s:s, s:b, s:s}", "cpus",
	        (json_int_t)((o->cpu_milli + 999) / 1000), "memory", whole_mib(o->memory),
	        "rootfsSize", whole_mib(o->rootfs_size), "hypervisor", unless_auto(o->hypervisor),
	        "jailer", (int)o->jailer, "accel", unless_auto(o->accel));
}

/* Only the image may know. What is kept of a container goes with the files that it had then, and
 * those of a host's directory or of a named volume may be others at the next run. */
static int check_warm(const struct plan_opts *o, const json_t *life, struct err *e)
{
	if (!o->warm)
		return 0;
	for (size_t i = 0; i < o->volume.n; i++) {
		const char *spec = o->volume.v[i];

		if (strchr(spec + (*spec == ':'), ':'))
			return err_set(e, FCVM_EX_USAGE,
			        "--volume %s: --warm goes with volumes of the container's own "
			        "alone (--volume DIR), because others may have changed at the "
			        "next run",
			        spec);
	}
	if (json_is_object(json_object_get(life, "health")))
		return 0;
	return err_set(e, FCVM_EX_USAGE,
	        "--warm needs to know when the container is well: say --health-cmd or "
	        "--health-check");
}

json_t *plan_make(const struct plan_opts *o, const json_t *config, const char *name,
        char **caller_env, struct err *e)
{
	const char *hostname = o->hostname && *o->hostname ? o->hostname : name;
	auto_json json_t *proc = NULL, *mounts = NULL, *annotations = NULL, *labels = NULL,
	                 *plan = NULL, *life = NULL, *network = NULL, *volumes = NULL;
	json_t *own;
	struct plan_image im;

	if (plan_image_read(config, &im, e) < 0 ||
	        !(proc = process(o, &im, hostname, caller_env, e)) ||
	        !(mounts = plan_mounts(o, &im, e)) || !(annotations = plan_annotations(o, e)) ||
	        !(labels = plan_labels(o, &im, e)) || !(life = plan_life(o, &im, e)) ||
	        !(network = plan_network(o, &im, e)) || !(volumes = plan_volumes(o, &im, e)) ||
	        check_warm(o, life, e) < 0)
		return NULL;
	own = fcvm_part(o, &im);
	json_object_update(own, life);
	plan = json_pack(
	        "{s:i, s:s, s:s, s:s, s:O, s:{s:b}, s:O, s:o, s:O, s:O, s:O, s:O, s:o, s:o}",
	        "fcvmPlan", 1, "name", name, "hostname", hostname, "image", o->image, "process",
	        proc, "root", "readonly", (int)o->read_only, "mounts", mounts, "linux",
	        linux_part(o), "annotations", annotations, "labels", labels, "network", network,
	        "volumes", volumes, "fcvm", own, "machine", machine_part(o));
	if (!plan)
		err_set(e, FCVM_EX_USAGE, "the image name is not valid UTF-8");
	return steal_ptr(plan);
}
