/* SPDX-License-Identifier: MIT
 * Firecracker in a jail of its jailer's: with a user of its own, and nothing of the host in reach
 * but its devices and the files of its machine. Those are mounts in a file system in memory, in a
 * mount namespace that only its process has, so that nothing is to be removed at the end; they have
 * the names there that the same files have outside of a jail (firecracker_requests.h), so that
 * what is saved in one can be restored in the other. */
#ifndef FCVM_FIRECRACKER_JAIL_H
#define FCVM_FIRECRACKER_JAIL_H

#include "err.h"
#include "proc.h"
#include "vmm.h"

#define FC_JAIL_KERNEL "kernel"
#define FC_JAIL_INITRD "initrd"

struct fc_jail {
	uid_t uid;     /* 0: there is no jail */
	int claim;     /* holds the uid */
	int end;       /* line to the first process of its pid namespace, which ends with us */
	int init;      /* pidfd of that */
	int fs;        /* its file system */
	int base;      /* where that will be; borrowed */
	char *program; /* the firecracker to put into it */
	char *root;    /* of the jail, in its file system */
	int kernel, initrd, pager; /* -1: none */
	int log, metrics;          /* files; borrowed; -1: none */
};
#define FC_JAIL_NONE                                                                      \
	{                                                                                 \
		.claim = -1, .end = -1, .init = -1, .fs = -1, .kernel = -1, .initrd = -1, \
		.pager = -1, .log = -1, .metrics = -1                                     \
	}

/* Prepares a jail for a machine; base: an empty directory. *dir, the directory of its sockets, is
 * replaced, and so is *log, unless it is a file, by the reading end of its log: both are the
 * caller's to close. metrics: a file for these, or -1. 0, or -1 with e
 * filled; fc_jail_end() ends it in any case, after the process. */
int fc_jail_make(struct fc_jail *j, const struct vmm_config *c, int base, int *dir, int *log,
        int metrics, struct err *e);
void fc_jail_end(struct fc_jail *j);

/* Starts firecracker in it with these arguments, whose first is its name; its jailer adds --id. */
int fc_jail_start(struct fc_jail *j, const struct vmm_config *c, struct proc *p, char *const *argv,
        const struct proc_opts *o, struct err *e);

/* Lets the process, while it runs, write two more files, under FC_NAME_STATE and FC_NAME_MEMORY;
 * and takes them away again. */
int fc_jail_lend(
        const struct fc_jail *j, const struct proc *p, int state, int memory, struct err *e);
int fc_jail_take_back(const struct proc *p, int state, int memory, struct err *e);

/* Sockets that were made in its directory, of the agent and of these, are its to connect to. */
int fc_jail_own_sockets(
        const struct fc_jail *j, int dir, const struct vmm_port *ports, size_t n, struct err *e);

#endif
