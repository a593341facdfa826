/* SPDX-License-Identifier: MIT
 * A start from a snapshot. */
#ifndef FCVM_BOOT_CLONE_H
#define FCVM_BOOT_CLONE_H

#include "build.h"

/* Starts the machine as the clone that the plan is for: 1; its agent waits for RESUME. 0: only the
 * disk was saved, which is b's now; the machine is to be booted. -1 with e filled: it cannot be
 * done here, and why. */
int clone_start(struct vmm *v, struct build *b, const json_t *plan, struct err *e);

#endif
