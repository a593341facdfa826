/* SPDX-License-Identifier: MIT
 * The verbs of fcvm-ctl. Each parses its own options (argv[0] is the verb), prints its result on
 * stdout and returns the exit status, or -1 with e filled: then the status is FCVM_EX_FAIL, or e's
 * own if that is FCVM_EX_NOEXEC or FCVM_EX_NOENT. FCVM_EX_OK in e: there is nothing more to do or
 * to say, as after --help. */
#ifndef CTL_VERBS_H
#define CTL_VERBS_H

#include "opt.h"
#include "vms.h"

typedef int ctl_verb(int argc, char **argv, struct err *e);
ctl_verb ctl_rm, ctl_ls, ctl_inspect, ctl_logs, ctl_exec, ctl_attach, ctl_stop, ctl_kill, ctl_pause,
        ctl_unpause, ctl_restart, ctl_wait, ctl_rename, ctl_front, ctl_cp, ctl_stats, ctl_top,
        ctl_port;

/* Rows of an option table for a struct vms_selector at the given offset. The words of the command
 * line are the verb's to add. */
#define CTL_SELECT_NAME(offset)                                                \
	{                                                                      \
		0, "name", "NAME", "the VM of exactly this name", OPT_LIST,    \
		        (offset) + offsetof(struct vms_selector, names), false \
	}
#define CTL_SELECT_PID(offset)                                                    \
	{                                                                         \
		0, "pid", "PID", "the VM that this process belongs to", OPT_LIST, \
		        (offset) + offsetof(struct vms_selector, pids), false     \
	}
#define CTL_SELECT_LATEST(offset)                                               \
	{                                                                       \
		'l', "latest", NULL, "the VM that was made last", OPT_FLAG,     \
		        (offset) + offsetof(struct vms_selector, latest), false \
	}
#define CTL_SELECT_ALL(offset)                                               \
	{                                                                    \
		'a', "all", NULL, "every VM", OPT_FLAG,                      \
		        (offset) + offsetof(struct vms_selector, all), false \
	}

static inline void ctl_select_free(struct vms_selector *s)
{
	strv_free(&s->names);
	strv_free(&s->pids);
}

/* As opt_parse(), for a verb whose options may also follow words: they all end up in who. 0, or -1
 * with e filled. */
int ctl_parse(const struct opt_spec *spec, int argc, char **argv, void *target,
        struct vms_selector *who, struct err *e);

#endif
