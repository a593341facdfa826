/* SPDX-License-Identifier: MIT
 * fcvm-snapshot: makes, shows and removes snapshots of VMs that run. See fcvm-snapshot(1). */
#include "cleanup.h"
#include "dirs.h"
#include "msg.h"
#include "opt.h"
#include "snapshot_tool.h"
#include "status.h"
#include "xio.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

#define O(member) offsetof(struct tool_opts, member)

static const struct opt table[] = {
        {0, "tag", "TAG",
                "create, restore, import: the snapshot's name (default: the VM's, or that it had)",
                OPT_STR, O(tag), false},
        {0, "stop", NULL, "create: end the VM when it is saved", OPT_FLAG, O(stop), false},
        {0, "disk-only", NULL, "create: save the disk without the memory", OPT_FLAG, O(disk_only),
                false},
        {0, "in-place", NULL, "restore: the VM itself goes back", OPT_FLAG, O(in_place), false},
        {0, "force", NULL, "export, import: replace what is there", OPT_FLAG, O(force), false},
        {0, "limit", "SIZE", "import: what it may unpack to (default: what is free)", OPT_SIZE,
                O(limit), false},
        {'a', "all", NULL, "prune: all of them", OPT_FLAG, O(all), false},
        {0, "json", NULL, "print JSON", OPT_FLAG, O(json), false},
        {'q', "quiet", NULL, "ls: print tags only; the others: nothing", OPT_FLAG, O(quiet), false},
        OPT_END,
};

static const struct opt_spec spec = {
        .usage = "fcvm-snapshot create|restore|ls|inspect|rm|prune|export|import|serve "
                 "[options] "
                 "[VM|TAG|FILE…]",
        .summary = "Saves VMs that run, and shows and removes what was saved. "
                   "'fcvm snapshot run TAG' goes on from one.",
        .table = table,
};

static tool_verb *find(const char *name, struct err *e)
{
	static const char *const names[] = {"create", "restore", "ls", "inspect", "rm", "prune",
	        "export", "import", "serve", NULL};
	static tool_verb *const verbs[] = {tool_create, tool_restore, tool_ls, tool_inspect,
	        tool_rm, tool_prune, tool_export, tool_import, tool_serve};
	int i = opt_verb(&spec, name, names, e);

	return i < 0 ? NULL : verbs[i];
}

static int run(int argc, char **argv, struct tool_opts *o, struct err *e)
{
	bool has_verb = argc > 1 && argv[1][0] != '-';
	auto_free char *data = dirs_data();
	auto_strv struct strv words = {0};
	char *none[] = {NULL};
	struct snapshots s = {.dir = -1};
	tool_verb *verb;
	int r;

	if (opt_parse_mixed(&spec, argc - has_verb, argv + has_verb, o, &words, e) < 0)
		return -1;
	if (!has_verb)
		return opt_usage(&spec, e, "the first word is no verb");
	verb = find(argv[1], e);
	r = verb ? snapshots_open(&s, data, e) : -1;
	if (r == 0)
		r = verb(&s, o, words.n ? words.v : none, e);
	snapshots_close(&s);
	if (r >= 0 && fflush(stdout) != 0)
		r = err_sys(e, "cannot write to stdout");
	return r;
}

int main(int argc, char **argv)
{
	struct tool_opts o = {0};
	struct err e = {.text = ""};
	int r;

	std_fds_open();
	signal(SIGPIPE, SIG_IGN);
	r = run(argc, argv, &o, &e);
	if (r >= 0 || e.status == FCVM_EX_OK)
		return r < 0 ? FCVM_EX_OK : r;
	return msg_err(&e);
}
