/* SPDX-License-Identifier: MIT
 * fcvm-clone: what a clone of a snapshot is made of. See fcvm-clone(1). A program of its own,
 * because every clone waits for it. */
#include "clone_tool.h"
#include "cleanup.h"
#include "dirs.h"
#include "msg.h"
#include "opt.h"
#include "status.h"
#include "xio.h"

#include <signal.h>
#include <stdio.h>

#define O(member) offsetof(struct clone_opts, member)

static const struct opt table[] = {
        {0, "name", "NAME", "the clone's name (default: a random one)", OPT_STR, O(name), false},
        {'p', "publish", "SPEC", "publish a port (default: those of the VM)", OPT_LIST, O(publish),
                false},
        {0, "network", "MODE", "the clone's network, as of fcvm run", OPT_STR, O(network), false},
        {'d', "detach", NULL, "leave the clone in the background", OPT_FLAG, O(detach), false},
        {0, "rm", NULL, "keep no record of the clone", OPT_FLAG, O(rm), false},
        {0, "exec", "CMD", "a shell command in the clone, which ends with it", OPT_STR, O(exec),
                false},
        {'n', "count", "N", "so many clones at once, NAME-1 to NAME-N", OPT_U64, O(count), false},
        {'v', "volume", "SPEC", NULL, OPT_LIST, O(volume), true},
        OPT_END,
};

static const struct opt_spec spec = {
        .usage = "fcvm snapshot run [options] TAG, or fcvm-clone options|plan [options] TAG",
        .summary = "Says what a clone of a snapshot is made of.",
        .table = table,
};

static int run(int argc, char **argv, struct clone_opts *o, struct err *e)
{
	static const char *const names[] = {"options", "plan", NULL};
	static int (*const verbs[])(const struct snapshot *, const struct clone_opts *,
	        struct err *) = {clone_options, clone_plan};
	bool has_verb = argc > 1 && argv[1][0] != '-';
	auto_free char *data = dirs_data();
	auto_strv struct strv words = {0};
	struct snapshots s = {.dir = -1};
	struct snapshot found;
	int verb, r;

	if (opt_parse_mixed(&spec, argc - has_verb, argv + has_verb, o, &words, e) < 0)
		return -1;
	if (!has_verb)
		return opt_usage(&spec, e, "the first word is no verb");
	verb = opt_verb(&spec, argv[1], names, e);
	if (verb < 0)
		return -1;
	if (words.n != 1)
		return err_set(e, FCVM_EX_USAGE, "run takes one snapshot's tag");
	o->tag = words.v[0];
	if (clone_check(o, e) < 0 || snapshots_open(&s, data, e) < 0)
		return -1;
	r = snapshots_find(&s, o->tag, &found, e);
	if (r == 0) {
		r = verbs[verb](&found, o, e);
		snapshot_close(&found);
	}
	snapshots_close(&s);
	if (r >= 0 && fflush(stdout) != 0)
		r = err_sys(e, "cannot write to stdout");
	return r;
}

int main(int argc, char **argv)
{
	struct clone_opts o = {.count = 1};
	struct err e = {.text = ""};
	int r;

	std_fds_open();
	signal(SIGPIPE, SIG_IGN);
	r = run(argc, argv, &o, &e);
	strv_free(&o.publish);
	strv_free(&o.volume);
	if (r >= 0 || e.status == FCVM_EX_OK)
		return FCVM_EX_OK;
	return msg_err(&e);
}
