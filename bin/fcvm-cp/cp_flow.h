/* SPDX-License-Identifier: MIT
 * Entries from a directory or an archive to a directory or an archive, under other names. An
 * archive from a VM is hostile: nothing of it gets outside of the destination. */
#ifndef CTL_CP_FLOW_H
#define CTL_CP_FLOW_H

#include "err.h"

#include <stdbool.h>
#include <sys/types.h>

enum flow_kind {
	FLOW_DISK,   /* fd: a directory; what is copied becomes the caller's */
	FLOW_STREAM, /* fd: an archive */
	FLOW_VM      /* fd: an archive, for or from a tar in a VM */
};

struct flow {
	enum flow_kind from, to;
	int from_fd, to_fd;
	const char *file; /* the one file to copy, in the source's directory; NULL: all of that */
	const char *name; /* what that is called in the destination; NULL: only its contents */
	bool overwrite;   /* on a disk: a directory by something else and vice versa */
	bool chown;       /* to this owner */
	uid_t uid;
	gid_t gid;
};

/* Whose failure it is: a broken source or destination may have its own word for it. */
enum flow_end { FLOW_DONE, FLOW_BAD_IN, FLOW_BAD_OUT, FLOW_REFUSED };

/* Changes the working directory. e is filled unless all was copied. */
enum flow_end flow_run(const struct flow *f, struct err *e);

#endif
