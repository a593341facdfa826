/* SPDX-License-Identifier: MIT
 * exec and attach: a process in a VM with the caller's streams. */
#include "act.h"
#include "cleanup.h"
#include "dirs.h"
#include "envs.h"
#include "json.h"
#include "keys.h"
#include "msg.h"
#include "status.h"
#include "streams.h"

#include <string.h>
#include <unistd.h>

struct opts {
	bool interactive, tty, detach, privileged, vm, no_stdin;
	const char *user, *workdir, *keys;
	uint64_t timeout;
	struct strv env, env_file;
	struct vms_selector who;
};
#define O(member) offsetof(struct opts, member)

static const struct opt exec_table[] = {
        {'i', "interactive", NULL, "pass the caller's stdin on", OPT_FLAG, O(interactive), false},
        {'t', "tty", NULL, "give the command a terminal", OPT_FLAG, O(tty), false},
        {'d', "detach", NULL, "start the command and leave it", OPT_FLAG, O(detach), false},
        {'e', "env", "NAME[=VALUE]", "set a variable; without a value, the caller's", OPT_LIST,
                O(env), false},
        {0, "env-file", "FILE", "read variables from a file", OPT_LIST, O(env_file), false},
        {'w', "workdir", "DIR", "working directory", OPT_STR, O(workdir), false},
        {'u', "user", "USER[:GROUP]", "run as this user, by name or number", OPT_STR, O(user),
                false},
        {0, "privileged", NULL, "with all capabilities", OPT_FLAG, O(privileged), false},
        {0, "vm", NULL, "outside of the container, in the VM itself", OPT_FLAG, O(vm), false},
        {0, "timeout", "SECONDS", "kill the command after that time, with status 124", OPT_U64,
                O(timeout), false},
        {0, "detach-keys", "KEYS", "what leaves the command running (ctrl-p,ctrl-q)", OPT_STR,
                O(keys), false},
        VMS_OPT_NAME(O(who)),
        VMS_OPT_PID(O(who)),
        VMS_OPT_LATEST(O(who)),
        OPT_END,
};
static const struct opt_spec exec_spec = {
        .usage = "fcvm-ctl exec [options] VM COMMAND [ARG…]",
        .summary = "Runs a command in a running container. The exit status is the command's.",
        .table = exec_table,
};

static const struct opt attach_table[] = {
        {0, "no-stdin", NULL, "do not pass the caller's stdin on", OPT_FLAG, O(no_stdin), false},
        {0, "detach-keys", "KEYS", "what leaves the container running (ctrl-p,ctrl-q)", OPT_STR,
                O(keys), false},
        VMS_OPT_NAME(O(who)),
        VMS_OPT_PID(O(who)),
        VMS_OPT_LATEST(O(who)),
        OPT_END,
};
static const struct opt_spec attach_spec = {
        .usage = "fcvm-ctl attach [options] VM",
        .summary =
                "Joins the caller's streams to a container's. The exit status is the container's.",
        .table = attach_table,
};

static json_t *environment(const struct opts *o, struct err *e)
{
	auto_json json_t *vars = json_object();

	for (size_t i = 0; i < o->env_file.n; i++)
		if (envs_file(vars, o->env_file.v[i], environ, e) < 0)
			return NULL;
	for (size_t i = 0; i < o->env.n; i++) {
		auto_free char *entry = xstrdup(o->env.v[i]);

		if (envs_add(vars, entry, "--env", environ, e) < 0)
			return NULL;
	}
	return envs_list(vars);
}

static json_t *request(const struct opts *o, char **words, struct err *e)
{
	auto_json json_t *args = json_array(), *env = environment(o, e);
	json_t *j;

	if (!env)
		return NULL;
	for (; *words; words++)
		if (json_array_append_new(args, json_string(*words)) < 0) {
			err_set(e, FCVM_EX_USAGE,
			        "the command is not valid UTF-8, which JSON cannot hold");
			return NULL;
		}
	j = json_pack("{s:s, s:O, s:O, s:b, s:b, s:b, s:b, s:b, s:s*, s:s*}", "type", "EXEC",
	        "args", args, "env", env, "interactive", (int)(o->interactive && !o->detach), "tty",
	        (int)o->tty, "detach", (int)o->detach, "privileged", (int)o->privileged, "vm",
	        (int)o->vm, "user", o->user, "cwd", o->workdir);
	if (!j)
		err_set(e, FCVM_EX_USAGE, "--user or --workdir is not valid UTF-8");
	return j;
}

/* Carries the streams until the end; the command's status. */
static int carry(const struct vm *vm, json_t *asked, const struct streams_opts *so, struct err *e)
{
	struct streams_end end;
	struct control c;
	int r = control_connect(vm->dir, &c, e);

	if (r == 0)
		r = control_send(&c, asked, e);
	else
		json_decref(asked);
	if (r == 0)
		r = streams_run(&c, so, &end, e);
	else
		control_close(&c);
	if (r < 0)
		return act_failed(vm, e);
	if (end.error[0])
		msg("%s", end.error);
	return end.status;
}

static void release(struct opts *o)
{
	strv_free(&o->env);
	strv_free(&o->env_file);
	vms_selector_free(&o->who);
}

/* With the VM named by an option all words are the command's. */
static char **split_words(struct opts *o, int argc, char **argv, int at)
{
	bool by_option = o->who.names.n || o->who.pids.n || o->who.latest;

	o->who.words = argv + at;
	o->who.n_words = by_option || at >= argc ? 0 : 1;
	return argv + at + o->who.n_words;
}

static int exec(int argc, char **argv, struct opts *o, struct err *e)
{
	auto_free char *base = dirs_run();
	struct streams_opts so = {.timeout_ms = -1};
	char keys[KEYS_MAX + 1], **command;
	auto_vms struct vms vms = {0};
	json_t *asked;
	int at = opt_parse(&exec_spec, argc, argv, o, e);

	if (at < 0)
		return -1;
	command = split_words(o, argc, argv, at);
	if (!*command)
		return opt_usage(&exec_spec, e, "exec needs a VM and a command");
	if (keys_parse(o->keys, keys, e) < 0 || vms_resolve_one(base, &o->who, &vms, e) < 0)
		return -1;
	asked = request(o, command, e);
	if (!asked)
		return -1;
	so.detach_keys = keys;
	so.keep_stdin = !o->interactive || o->detach;
	if (o->timeout)
		so.timeout_ms = o->timeout > 1000000 ? 1000000000 : (int64_t)o->timeout * 1000;
	return carry(&vms.v[0], asked, &so, e);
}

int ctl_exec(int argc, char **argv, struct err *e)
{
	struct opts o = {.keys = NULL};
	int r = exec(argc, argv, &o, e);

	release(&o);
	return r;
}

int ctl_attach(int argc, char **argv, struct err *e)
{
	auto_free char *base = dirs_run();
	struct streams_opts so = {.timeout_ms = -1};
	struct opts o = {.keys = NULL};
	auto_vms struct vms vms = {0};
	char keys[KEYS_MAX + 1];
	int r = vms_opt_parse(&attach_spec, argc, argv, &o, &o.who, e);

	if (r == 0)
		r = keys_parse(o.keys, keys, e);
	if (r == 0)
		r = vms_resolve_one(base, &o.who, &vms, e);
	release(&o);
	if (r < 0)
		return -1;
	so.detach_keys = keys;
	so.keep_stdin = o.no_stdin;
	return carry(&vms.v[0],
	        json_pack("{s:s, s:b}", "type", "ATTACH", "stdin", (int)!o.no_stdin), &so, e);
}
