/* SPDX-License-Identifier: MIT
 * What VMs use of their machines, asked of all of them at once. */
#ifndef CTL_STATS_ASK_H
#define CTL_STATS_ASK_H

#include "control.h"
#include "vms.h"

#include <stdbool.h>
#include <stdint.h>

struct sample {
	int64_t time; /* of the guest's clock, in nanoseconds */
	int64_t cpu_usec, memory, memory_limit, pids, block_in, block_out, net_in, net_out;
};

struct subject {
	char *name, *dir; /* change with the VM's name */
	json_int_t pid;
	int64_t created, started; /* nanoseconds since the epoch */
	int64_t memory;           /* of the machine */
	struct control c;
	bool asked; /* and not yet answered: not asked again meanwhile */
	bool known; /* there is an answer to the last question */
	bool gone;
	int n; /* samples that there are, up to 2 */
	struct sample last, before;
};

struct subjects {
	struct subject *v;
	size_t n;
};

/* Takes in what the states of the VMs say; adds those that are not in it yet only if more. */
void subjects_update(struct subjects *s, const struct vms *vms, bool more);
void subjects_free(struct subjects *s);

/* Asks each of them, and waits at most timeout_ms for their answers, or until wake_fd can be read:
 * then false. Those that have ended are taken out. */
bool subjects_ask(struct subjects *s, int timeout_ms, int wake_fd);

/* Percent of a processor since the sample before, or since the container started. */
double subject_cpu(const struct subject *s);
double subject_cpu_average(const struct subject *s);

#endif
