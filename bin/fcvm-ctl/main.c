/* SPDX-License-Identifier: MIT
 * fcvm-ctl: asks and steers VMs that run. See fcvm-ctl(1). */
#include "become.h"
#include "cleanup.h"
#include "msg.h"
#include "opt.h"
#include "status.h"
#include "verbs.h"
#include "xio.h"

#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

static const struct {
	const char *name;
	ctl_verb *run;
	const char *help;
} verbs[] = {
        {"exec", ctl_exec, "run a command in a container"},
        {"attach", ctl_attach, "join a container's streams"},
        {"stop", ctl_stop, "ask containers to stop, and wait for that"},
        {"kill", ctl_kill, "send containers a signal"},
        {"pause", ctl_pause, "hold containers"},
        {"unpause", ctl_unpause, "let them go on"},
        {"restart", ctl_restart, "stop containers and run them again"},
        {"wait", ctl_wait, "wait for containers to end"},
        {"rm", ctl_rm, "remove what is kept of VMs that have ended"},
        {"rename", ctl_rename, "give a VM another name"},
        {"front", ctl_front, "run a VM's process behind this one"},
        {"ls", ctl_ls, "list VMs"},
        {"ps", ctl_ls, "the same"},
        {"inspect", ctl_inspect, "print all that is known of VMs"},
        {"logs", ctl_logs, "print what a VM's container wrote"},
        {"stats", ctl_stats, "print how much VMs use of the machine"},
        {"top", ctl_top, "list the processes of a container"},
        {"port", ctl_port, "print the ports that a VM publishes"},
};
#define N_VERBS (sizeof verbs / sizeof *verbs)

static const struct opt no_options[] = {OPT_END};
static const struct opt_spec spec = {
        .usage = "fcvm-ctl VERB [options] [VM…]",
        .summary = "Asks and steers VMs that run. 'fcvm-ctl VERB --help' has a verb's options.",
        .table = no_options,
};

static void help(void)
{
	printf("usage: %s\n%s\n\n", spec.usage, spec.summary);
	for (size_t i = 0; i < N_VERBS; i++)
		printf("  %-12s%s\n", verbs[i].name, verbs[i].help);
}

static ctl_verb *find(const char *name, struct err *e)
{
	const char *names[N_VERBS + 1] = {0}, *close;

	for (size_t i = 0; i < N_VERBS; i++) {
		if (!strcmp(verbs[i].name, name))
			return verbs[i].run;
		names[i] = verbs[i].name;
	}
	close = opt_closest(name, names);
	if (close)
		err_set(e, FCVM_EX_FAIL, "unknown verb '%s': did you mean '%s'?", name, close);
	else
		opt_usage(&spec, e, "unknown verb '%s'", name);
	return NULL;
}

static int run(int argc, char **argv, struct err *e)
{
	ctl_verb *verb;

	if (argc > 1 && !strcmp(argv[1], "--help")) {
		help();
		return FCVM_EX_OK;
	}
	if (argc < 2 || argv[1][0] == '-') {
		if (opt_parse(&spec, argc, argv, NULL, e) < 0)
			return -1;
		return opt_usage(&spec, e, "the first word is no verb");
	}
	verb = find(argv[1], e);
	return verb ? verb(argc - 1, argv + 1, e) : -1;
}

int main(int argc, char **argv)
{
	struct err e = {.text = ""};
	int r;

	std_fds_open();
	setlocale(LC_CTYPE, "C.UTF-8"); /* for the width of columns */
	signal(SIGPIPE, SIG_IGN);       /* whoever does not read any more is told by write */
	r = run(argc, argv, &e);
	if (r < 0 && e.status == FCVM_EX_OK)
		r = FCVM_EX_OK;
	if (r >= 0 && fflush(stdout) != 0 && errno != EPIPE)
		r = err_sys(&e, "cannot write to stdout");
	if (r >= 0)
		return r;
	msg_err(&e);
	/* The others say nothing of the command in the VM. */
	return become_status(e.status);
}
