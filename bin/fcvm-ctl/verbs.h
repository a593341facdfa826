/* SPDX-License-Identifier: MIT
 * The verbs of fcvm-ctl. Each parses its own options (argv[0] is the verb), prints its result on
 * stdout and returns the exit status, or -1 with e filled: then the status is FCVM_EX_FAIL, or e's
 * own if that is FCVM_EX_NOEXEC or FCVM_EX_NOENT. FCVM_EX_OK in e: there is nothing more to do or
 * to say, as after --help. */
#ifndef CTL_VERBS_H
#define CTL_VERBS_H

#include "vms_opt.h"

typedef int ctl_verb(int argc, char **argv, struct err *e);
ctl_verb ctl_rm, ctl_ls, ctl_inspect, ctl_logs, ctl_exec, ctl_attach, ctl_stop, ctl_kill, ctl_pause,
        ctl_unpause, ctl_restart, ctl_wait, ctl_rename, ctl_front, ctl_stats, ctl_top, ctl_port;

#endif
