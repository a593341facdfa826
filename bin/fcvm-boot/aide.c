/* SPDX-License-Identifier: MIT */
#include "aide.h"
#include "helper.h"

#include <errno.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/wait.h>
#include <unistd.h>

int aide_start(struct machine *m, struct aide *a, const struct aide_work *w, struct err *e)
{
	struct helper h = {.program = "fcvm-boot",
	        .name = w->name,
	        .keep = w->keep,
	        .n_keep = w->n_keep,
	        .pidfd = &a->pidfd,
	        .fn = w->fn,
	        .ctx = w->ctx};

	if (helper_start(&h, &a->report, e) < 0)
		return -1;
	if (loop_add(&m->loop, &a->watch, a->report, EPOLLIN, w->done, w->ctx) == 0)
		return 0;
	return err_sys(e, "cannot watch the %s's helper", w->name);
}

void aide_end(struct machine *m, struct aide *a)
{
	siginfo_t info;

	if (a->pidfd < 0)
		return;
	loop_drop(&m->loop, &a->watch, &a->report);
	proc_kill(&(struct proc){.pidfd = a->pidfd}, SIGKILL);
	while (waitid(P_PIDFD, (id_t)a->pidfd, &info, WEXITED | __WALL) < 0 && errno == EINTR)
		;
	close(a->pidfd);
	a->pidfd = -1;
}
