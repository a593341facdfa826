/* SPDX-License-Identifier: MIT */
#include "kworkers.h"
#include "cleanup.h"
#include "strv.h"
#include "xio.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WORKER 0x20 /* PF_WQ_WORKER of the kernel's include/linux/sched.h, in field 9 of stat */

static bool is_worker(const char *pid)
{
	auto_free char *path = xasprintf("/proc/%s/stat", pid);
	auto_free char *stat = NULL;
	const char *after;
	unsigned flags;

	if (read_file_at(AT_FDCWD, path, 4096, &stat, NULL) < 0)
		return false;
	after = strrchr(stat, ')');
	return after && sscanf(after + 1, " %*c %*d %*d %*d %*d %*d %u", &flags) == 1 &&
	       (flags & WORKER);
}

int kworkers_raise(struct kworkers *k)
{
	struct sched_param p = {.sched_priority = sched_get_priority_max(SCHED_FIFO)};
	DIR *d = opendir("/proc");
	struct dirent *ent;
	size_t room = 0;

	*k = (struct kworkers){0};
	while (d && (ent = readdir(d))) {
		if (!isdigit((unsigned char)*ent->d_name) || !is_worker(ent->d_name))
			continue;
		if (k->n == room) {
			room = room ? 2 * room : 64;
			k->pids = realloc(k->pids, room * sizeof *k->pids);
			if (!k->pids)
				abort();
		}
		k->pids[k->n] = (pid_t)strtol(ent->d_name, NULL, 10);
		/* One that has just ended is of no use, and no harm. */
		if (sched_setscheduler(k->pids[k->n], SCHED_FIFO, &p) == 0)
			k->n++;
	}
	if (d)
		closedir(d);
	if (k->n)
		return 0;
	kworkers_lower(k);
	errno = ESRCH;
	return -1;
}

void kworkers_lower(struct kworkers *k)
{
	struct sched_param p = {0};

	for (size_t i = 0; i < k->n; i++)
		sched_setscheduler(k->pids[i], SCHED_OTHER, &p);
	free(k->pids);
	*k = (struct kworkers){0};
}
