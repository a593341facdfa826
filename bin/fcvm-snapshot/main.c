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
        {0, "name", "NAME", "run: the clone's name (default: a random one)", OPT_STR, O(name),
                false},
        {'p', "publish", "SPEC", "run: publish a port (default: those of the VM)", OPT_LIST,
                O(publish), false},
        {0, "network", "MODE", "run: the clone's network, as of fcvm run", OPT_STR, O(network),
                false},
        {'d', "detach", NULL, "run: leave the clone in the background", OPT_FLAG, O(detach), false},
        {0, "rm", NULL, "run: keep no record of the clone", OPT_FLAG, O(rm), false},
        {0, "exec", "CMD", "run: a shell command in the clone, which ends with it", OPT_STR,
                O(exec), false},
        {'n', "count", "N", "run: so many clones at once, NAME-1 to NAME-N", OPT_U64, O(count),
                false},
        {0, "force", NULL, "export, import: replace what is there", OPT_FLAG, O(force), false},
        {0, "limit", "SIZE", "import: what it may unpack to (default: what is free)", OPT_SIZE,
                O(limit), false},
        {'v', "volume", "SPEC", NULL, OPT_LIST, O(volume), true},
        {'a', "all", NULL, "prune: all of them", OPT_FLAG, O(all), false},
        {0, "json", NULL, "print JSON", OPT_FLAG, O(json), false},
        {'q', "quiet", NULL, "ls: print tags only; the others: nothing", OPT_FLAG, O(quiet), false},
        OPT_END,
};

static const struct opt_spec spec = {
        .usage =
                "fcvm-snapshot create|restore|ls|inspect|rm|prune|export|import|serve|options|plan "
                "[options] "
                "[VM|TAG|FILE…]",
        .summary = "Saves VMs that run, and shows and removes what was saved. "
                   "'fcvm snapshot run TAG' goes on from one.",
        .table = table,
};

static tool_verb *find(const char *name, struct err *e)
{
	static const char *const names[] = {"create", "restore", "ls", "inspect", "rm", "prune",
	        "export", "import", "serve", "options", "plan", NULL};
	static tool_verb *const verbs[] = {tool_create, tool_restore, tool_ls, tool_inspect,
	        tool_rm, tool_prune, tool_export, tool_import, tool_serve, tool_options, tool_plan};
	int i = opt_verb(&spec, name, names, e);

	return i < 0 ? NULL : verbs[i];
}

/* Options may follow words; *words gets those. */
static int parse(int argc, char **argv, struct tool_opts *o, struct strv *words, struct err *e)
{
	int i = 1;

	while (i <= argc) {
		int at = opt_parse(&spec, argc - i + 1, argv + i - 1, o, e);

		if (at < 0)
			return -1;
		i += at - 1;
		if (i >= argc)
			break;
		strv_add(words, argv[i++]);
	}
	return 0;
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

	if (parse(argc - has_verb, argv + has_verb, o, &words, e) < 0)
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
	struct tool_opts o = {.count = 1};
	struct err e = {.text = ""};
	int r;

	std_fds_open();
	signal(SIGPIPE, SIG_IGN);
	r = run(argc, argv, &o, &e);
	strv_free(&o.publish);
	strv_free(&o.volume);
	if (r >= 0 || e.status == FCVM_EX_OK)
		return r < 0 ? FCVM_EX_OK : r;
	return msg_err(&e);
}
