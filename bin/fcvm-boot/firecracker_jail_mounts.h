/* SPDX-License-Identifier: MIT
 * The files of a jail: each a mount of its own in the mount namespace of its process. */
#ifndef FCVM_FIRECRACKER_JAIL_MOUNTS_H
#define FCVM_FIRECRACKER_JAIL_MOUNTS_H

#include "err.h"
#include "proc.h"
#include "vmm.h"

/* Users of jails are numbers that nobody else has, beyond those of people and containers; the group
 * is that of them all, for files that several read. */
#define FC_JAIL_USER  ((uid_t)0x70000000)
#define FC_JAIL_GROUP ((gid_t)0x70000000)
#define FC_JAIL_USERS 65536

enum fc_jail_use { FC_JAIL_READ, FC_JAIL_WRITE, FC_JAIL_CONNECT };

#define FC_JAIL_MOUNTS (VMM_DISKS + 7)

struct fc_jail_mounts {
	uid_t uid;
	int fs, base;     /* the jail's file system, and where to put it; -1: it is there */
	const char *root; /* of the jail, in that */
	bool end;         /* take the mounts away, instead */
	size_t n;
	struct {
		int fd;  /* a mount that is attached nowhere; 0: none */
		int dir; /* where the file has a name for so long; 0: it needs none */
		char name[32];
		char to[56]; /* in the jail */
	} v[FC_JAIL_MOUNTS];
};

/* Adds a file, and lets the user (for writing) or the group (else) have it. 0, or -1 with e filled;
 * fc_jail_mounts_close() ends it in any case. */
int fc_jail_mounts_add(
        struct fc_jail_mounts *m, int fd, enum fc_jail_use use, const char *to, struct err *e);
void fc_jail_mounts_close(struct fc_jail_mounts *m);

/* proc_opts.prepare: in a process that becomes the jailer, and which is then where the jail is to
 * be. */
int fc_jail_mounts_attach(void *mounts);

/* From outside into the jail of a process that runs. */
int fc_jail_mounts_into(const struct fc_jail_mounts *m, const struct proc *p, struct err *e);

#endif
