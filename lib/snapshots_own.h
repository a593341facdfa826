/* SPDX-License-Identifier: MIT
 * Between the files of snapshots.h. */
#ifndef FCVM_SNAPSHOTS_OWN_H
#define FCVM_SNAPSHOTS_OWN_H

#include "snapshots.h"

#define SNAPSHOT_META "meta.json"
#define SNAPSHOT_LOCK ".lock"
#define SNAPSHOT_NEW  ".new"  /* + random: being made while its directory is locked */
#define SNAPSHOT_OLD  ".old." /* + tag: to be removed, or put back if the tag is free */
#define SNAPSHOT_GONE ".gone" /* + random: to be removed */

/* Alone with the store. A descriptor whose end is the lock's, or -1 with e filled. */
int snapshots_lock(const struct snapshots *s, struct err *e);
/* Removes what nobody is making any more. The lock is held. */
void snapshots_clean(const struct snapshots *s);

#endif
