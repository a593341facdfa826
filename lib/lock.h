/* SPDX-License-Identifier: MIT
 * Advisory locks on files that are created when missing and never unlinked: an unlinked lock file
 * would let two holders in. The lock belongs to the returned descriptor (flock(2)): it ends when
 * the last copy of it closes, whatever happened to the process. */
#ifndef FCVM_LOCK_H
#define FCVM_LOCK_H

#include <stdbool.h>

/* Returns the locked descriptor (close-on-exec) or -errno; -EWOULDBLOCK when wait is false and
 * somebody else holds it. */
int lock_file_at(int dirfd, const char *path, bool exclusive, bool wait);

#endif
