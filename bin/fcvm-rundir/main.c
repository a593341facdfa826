/* SPDX-License-Identifier: MIT
 * fcvm-rundir: reserves a VM's name and directory, then runs the rest of the line. See
 * fcvm-rundir(1). */
#include "become.h"
#include "cleanup.h"
#include "dirs.h"
#include "json.h"
#include "msg.h"
#include "opt.h"
#include "rundir.h"
#include "status.h"
#include "xio.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>

struct opts {
	const char *name;
	uint64_t leash;
	bool sweep, list, json;
};

static const struct opt table[] = {
        {0, "name", "NAME", "the VM's name (an unused adjective_noun)", OPT_STR,
                offsetof(struct opts, name), false},
        {0, "leash", "PID", "only run PROGRAM, and have it killed when its parent PID ends",
                OPT_U64, offsetof(struct opts, leash), false},
        {0, "sweep", NULL, "remove what dead VMs left, and end", OPT_FLAG,
                offsetof(struct opts, sweep), false},
        {0, "list", NULL, "print name and process of each running VM, and end", OPT_FLAG,
                offsetof(struct opts, list), false},
        {0, "json", NULL, "with --list: as JSON", OPT_FLAG, offsetof(struct opts, json), false},
        OPT_END,
};

static const struct opt_spec spec = {
        .usage = "fcvm-rundir [--name NAME] [--] PROGRAM [ARG...]",
        .summary = "Reserves a VM's name and run directory for as long as PROGRAM runs.",
        .table = table,
};

static void collect(const char *name, pid_t pid, void *ctx)
{
	json_array_append_new(ctx, json_pack("{s:s, s:i}", "name", name, "pid", (int)pid));
}

static int list(const char *base, bool as_json, struct err *e)
{
	auto_json json_t *vms = json_array();
	size_t i;
	json_t *vm;

	if (rundir_list(base, collect, vms, e) < 0)
		return -1;
	if (as_json)
		json_print(vms);
	else
		json_array_foreach(vms, i, vm)
		{
			printf("%s\t%d\n", json_string_value(json_object_get(vm, "name")),
			        (int)json_integer_value(json_object_get(vm, "pid")));
		}
	return fflush(stdout) != 0 ? err_sys(e, "cannot write the list") : 0;
}

/* The memory of the words of argv, which the kernel laid out one after the other. */
static size_t argv_size(int argc, char **argv)
{
	return (size_t)(argv[argc - 1] + strlen(argv[argc - 1]) - argv[0]);
}

static int tell_program(struct rundir *rd, struct err *e)
{
	char number[16];
	int fd = rundir_inherit(rd, e);

	if (fd < 0)
		return -1;
	snprintf(number, sizeof number, "%d", fd);
	if (setenv("FCVM_NAME", rd->name, 1) < 0 || setenv("FCVM_RUN_DIR", rd->dir, 1) < 0 ||
	        setenv("FCVM_LOCK_FD", number, 1) < 0)
		return err_sys(e, "cannot set the environment");
	return 0;
}

static int run(int argc, char **argv, int first, const char *name, struct err *e)
{
	auto_free char *base = dirs_run();
	struct rundir rd;

	if (rundir_reserve(base, name, &rd, e) < 0) {
		rundir_free(&rd);
		return -1;
	}
	if (rundir_janitor(&rd, argv[0], argv_size(argc, argv), e) < 0 || tell_program(&rd, e) < 0)
		goto err_release;
	become(argv + first, e);
err_release:
	rundir_release(rd.lock_fd, NULL);
	rundir_free(&rd);
	return -1;
}

/* The signal survives exec. A parent that ended before it was asked for is noticed by its number.
 */
static int run_leashed(char **argv, uint64_t parent, struct err *e)
{
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
		return err_sys(e, "cannot ask for a signal at the parent's end");
	if ((uint64_t)getppid() != parent)
		return err_set(e, FCVM_EX_FAIL, "--leash %ju: that is not the parent process",
		        (uintmax_t)parent);
	return become(argv, e);
}

int main(int argc, char **argv)
{
	auto_free char *base = dirs_run();
	struct opts o = {0};
	struct err e = {0};
	int i = opt_parse(&spec, argc, argv, &o, &e), r;

	std_fds_open();
	if (i < 0 && e.status == FCVM_EX_OK)
		return FCVM_EX_OK;
	if (i < 0)
		r = -1;
	else if (o.leash && (o.list || o.sweep || o.name))
		r = opt_usage(&spec, &e, "--leash goes with no other option");
	else if ((o.list || o.sweep) && i < argc)
		r = opt_usage(&spec, &e, "--list and --sweep run no program");
	else if (o.list)
		r = list(base, o.json, &e);
	else if (o.sweep)
		r = rundir_sweep(base, &e);
	else if (i >= argc)
		r = opt_usage(&spec, &e, "no program given");
	else if (o.leash)
		r = run_leashed(argv + i, o.leash, &e);
	else
		r = run(argc, argv, i, o.name, &e);
	if (r == 0)
		return FCVM_EX_OK;
	msg_err(&e);
	return become_status(e.status);
}
