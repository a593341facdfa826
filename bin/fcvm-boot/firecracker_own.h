/* SPDX-License-Identifier: MIT
 * What Firecracker's back end knows of one machine, for its own files. */
#ifndef FCVM_FIRECRACKER_OWN_H
#define FCVM_FIRECRACKER_OWN_H

#include "firecracker_api.h"
#include "firecracker_jail.h"
#include "firecracker_tap.h"
#include "vmm.h"

struct firecracker {
	struct fc_api api;
	int log; /* a file, or a pipe of what it logs: full, it drops lines, and it never waits */
	int metrics; /* a file; -1: none are wanted */
	int parent, base;
	char name[48]; /* of base in parent */
	int dir;       /* of its sockets: base, or in the jail */
	pid_t ports;   /* 0: none */
	struct fc_tap tap;
	struct fc_jail jail;
};

/* firecracker_save.c: vmm.h's save and go_on */
int fc_vmm_save(struct vmm *v, int state, int memory, struct err *e);
int fc_vmm_go_on(struct vmm *v, struct err *e);
/* Makes a fresh process go on from c->state. */
int fc_vmm_load(struct firecracker *f, struct vmm *v, const struct vmm_config *c, struct err *e);

#endif
