/* SPDX-License-Identifier: MIT
 * Further processes beside the container's own: the sessions of `fcvm exec`. Each lives in the
 * container's namespaces and cgroup, or with "vm" in the agent's. */
#ifndef FCVM_EXEC_H
#define FCVM_EXEC_H

#include "agent.h"

#define EXECS_MAX 2048

struct exec; /* opaque */

/* A frame of a channel other than the container's. 0, or -1 with e filled where the host broke the
 * protocol. OPEN starts a session on a free channel. */
int exec_frame(struct agent *a, const struct frame *f, struct err *e);
/* Takes what the processes on their way to a command have to say. To be called before children are
 * reaped, so that every pid that may be reaped is known. */
void exec_news(struct agent *a);
/* A child was reaped: true if it was a session's process. */
bool exec_reaped(struct agent *a, pid_t pid, int wstatus);
/* Sends the exit reports that are due, and forgets their sessions. */
void exec_check_ends(struct agent *a);
/* The host that asked for them is another's: they end as if their clients had gone, and their
 * channels are free. */
void exec_lose_all(struct agent *a);
/* The wire has room again. */
void exec_resume(struct agent *a);

/* exec_start.c: the process of the request. *sock: where its news come from (stage_news(), and
 * first join_pid() where *pid is 0). ours: the agent's ends of its pipes, -1 with a terminal. */
int exec_start(
        struct agent *a, const json_t *request, int *sock, pid_t *pid, int ours[3], struct err *e);
/* The process object of the runtime specification: the container's own, changed as asked. */
json_t *exec_process(const json_t *plan, const json_t *request, struct err *e);

#endif
