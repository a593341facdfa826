/* SPDX-License-Identifier: MIT
 * User namespaces of an ordinary user: inside, the caller is root, and the caller's subordinate ids
 * (/etc/subuid, /etc/subgid) are the others from 1 on. */
#ifndef FCVM_IDMAP_H
#define FCVM_IDMAP_H

#include "err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define IDMAP_MAX 16 /* ranges of one kind */

struct idmap_range {
	uint32_t inside, outside, count;
};

struct idmap {
	struct idmap_range uids[IDMAP_MAX], gids[IDMAP_MAX];
	size_t n_uids, n_gids;
};

/* The caller's own id and subordinate ones; these are left out unless there are some of both kinds.
 */
void idmap_own(struct idmap *m);
/* Whether root of such a namespace may do with files of that owner as it likes. */
bool idmap_has(const struct idmap *m, uid_t uid, gid_t gid);
/* Maps the ids of a process that has just made its user namespace: as root itself, otherwise with
 * newuidmap(1) and newgidmap(1). 0, or -1 with e filled. */
int idmap_write(const struct idmap *m, pid_t pid, struct err *e);
/* The same for idmap_own(), but the own id alone where that is all the system lets the caller do.
 */
int idmap_write_own(const struct idmap *m, pid_t pid, struct err *e);

/* fn(ctx) in a child of the process: as root just that, otherwise as root of such a namespace
 * (idmap_write_own()), so that files of subordinate ids are the caller's. fn returns 0 or -errno.
 * idmap_start() returns 0 or -errno (-EPERM: there can be no such namespace); if 0, idmap_end()
 * waits for the child and returns what fn did, or -EIO if that was killed. */
struct idmap_child {
	pid_t pid;
	int sock;
};
int idmap_start(struct idmap_child *c, int (*fn)(void *ctx), void *ctx);
int idmap_end(struct idmap_child *c);
/* Both, for what takes subordinate ids: -EPERM without. */
int idmap_run(int (*fn)(void *ctx), void *ctx);
/* remove_tree_at(), with such files among them. */
int remove_tree_mapped(int dir, const char *name);

#endif
