/* SPDX-License-Identifier: MIT
 * QEMU's side of save and restore: vmm.h. What is saved is the state of devices only. */
#ifndef FCVM_QEMU_STATE_H
#define FCVM_QEMU_STATE_H

#include "vmm.h"

char *qemu_identity(struct err *e);
int qemu_save(struct vmm *v, int state, int memory, struct err *e);
int qemu_go_on(struct vmm *v, struct err *e);
int qemu_stop(struct vmm *v, struct err *e);

/* Makes a process that was started with -incoming defer go on from the state. A failure ends the
 * process. */
int qemu_load(struct vmm *v, int state, struct err *e);

#endif
