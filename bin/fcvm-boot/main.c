/* SPDX-License-Identifier: MIT
 * fcvm-boot: starts and supervises one virtual machine. See fcvm-boot(1). */
#include "msg.h"
#include "opt.h"
#include "probe.h"
#include "run.h"
#include "status.h"
#include "xio.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const struct opt table[] = {
        {0, "plan", "FILE", "run, template: what to run, see fcvm-plan(5)", OPT_STR,
                offsetof(struct run_opts, plan), false},
        {0, "image", "DIR", "run, template: the image, as fcvm-cache pull printed it", OPT_STR,
                offsetof(struct run_opts, image), false},
        {0, "snapshot", "TAG", "run: go on from a snapshot, instead of an image", OPT_STR,
                offsetof(struct run_opts, snapshot), false},
        {0, "exec", "CMD", "run --snapshot: a shell command, with whose end the VM ends", OPT_STR,
                offsetof(struct run_opts, exec), false},
        {0, "kernel", "PATH", "run, template: ELF kernel to use; selftest: kernel directory",
                OPT_STR, offsetof(struct run_opts, kernel), false},
        {0, "initrd", "PATH", "run, template: initrd to use; selftest: initrd directory", OPT_STR,
                offsetof(struct run_opts, initrd), false},
        {0, "accel", "NAME", "kvm or tcg (default: what setup or the probe found)", OPT_STR,
                offsetof(struct run_opts, accel), false},
        {0, "append", "WORDS", "more kernel arguments", OPT_STR, offsetof(struct run_opts, append),
                false},
        {0, "no-snapshot", NULL, "run: boot the machine, use no template", OPT_FLAG,
                offsetof(struct run_opts, no_snapshot), false},
        {0, "json", NULL, "probe, selftest: print JSON", OPT_FLAG, offsetof(struct run_opts, json),
                false},
        OPT_END,
};

static const struct opt_spec spec = {
        .usage = "fcvm-boot run|template|probe|selftest [options]",
        .summary = "Starts and supervises one virtual machine; the container's status is its own.",
        .table = table,
};

static int probe(const struct run_opts *o)
{
	char why[200];
	const char *accel = probe_accelerator(why, sizeof why);

	if (o->json)
		printf("{\"accel\":\"%s\",\"reason\":\"%s\"}\n", accel, why);
	else
		printf("%s: %s\n", accel, why);
	return FCVM_EX_OK;
}

static int need(const char *value, const char *option, struct err *e)
{
	return value ? 0 : opt_usage(&spec, e, "%s is missing", option);
}

static int verb(const char *name, const struct run_opts *o, char *tail, size_t size, struct err *e)
{
	if (!strcmp(name, "probe"))
		return probe(o);
	if (!strcmp(name, "run")) {
		if (need(o->plan, "--plan", e) < 0 ||
		        (!o->snapshot && need(o->image, "--image", e) < 0))
			return FCVM_EX_FAIL;
		return run_plan(o, tail, size, e);
	}
	if (!strcmp(name, "template")) {
		if (need(o->plan, "--plan", e) < 0 || need(o->image, "--image", e) < 0)
			return FCVM_EX_FAIL;
		return run_template(o, e);
	}
	if (!strcmp(name, "selftest")) {
		if (need(o->kernel, "--kernel", e) < 0 || need(o->initrd, "--initrd", e) < 0)
			return FCVM_EX_FAIL;
		return run_selftest(o, tail, size, e);
	}
	opt_usage(&spec, e, "unknown verb '%s'", name);
	return FCVM_EX_FAIL;
}

int main(int argc, char **argv)
{
	struct run_opts o = {0};
	struct err e = {.text = ""};
	char tail[2048] = "";
	bool has_verb = argc > 1 && argv[1][0] != '-';
	int at = opt_parse(&spec, argc - has_verb, argv + has_verb, &o, &e), status;

	std_fds_open();
	if (at < 0) {
		if (e.status == FCVM_EX_OK)
			return FCVM_EX_OK;
		msg_err(&e);
		return FCVM_EX_FAIL;
	}
	if (!has_verb || at < argc - 1) {
		if (has_verb)
			opt_usage(&spec, &e, "unexpected word '%s'", argv[1 + at]);
		else
			opt_usage(&spec, &e, "a verb is missing");
		msg_err(&e);
		return FCVM_EX_FAIL;
	}
	status = verb(argv[1], &o, tail, sizeof tail, &e);
	if (e.text[0])
		msg_err(&e);
	if (tail[0] && write(STDERR_FILENO, tail, strlen(tail)) < 0)
		return FCVM_EX_FAIL;
	return status;
}
