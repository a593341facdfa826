/* SPDX-License-Identifier: MIT */
#ifndef FCVM_VOL_MOUNT_H
#define FCVM_VOL_MOUNT_H

#include "err.h"

/* `fcvm-vol mount [options] SOURCE MOUNTPOINT`: returns the exit status, or -1 with e filled. */
int vol_mount(int argc, char **argv, struct err *e);

#endif
