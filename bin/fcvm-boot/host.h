/* SPDX-License-Identifier: MIT
 * Whether this host can carry the machine that was asked for. */
#ifndef FCVM_HOST_H
#define FCVM_HOST_H

#include "err.h"

#include <stdint.h>

/* Refuses more CPUs than the host has and more memory than it can give, with what to do. */
int host_check(unsigned cpus, uint64_t memory, struct err *e);

#endif
