/* SPDX-License-Identifier: MIT
 * Files that Firecracker writes for people, where they are asked for: FCVM_VMM_DIR. */
#ifndef FCVM_FIRECRACKER_FILES_H
#define FCVM_FIRECRACKER_FILES_H

#include "err.h"

/* New and empty, or -1 each where nobody asked. 0, or -1 with e filled; what is open is the
 * caller's to close in any case. */
int fc_files_open(int *log, int *metrics, struct err *e);

#endif
