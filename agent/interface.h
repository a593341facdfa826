/* SPDX-License-Identifier: MIT */
#ifndef FCVM_INTERFACE_H
#define FCVM_INTERFACE_H

#include "err.h"

#include <stdbool.h>

/* Brings the interface up with its addresses and routes, if the machine has one. 0, or -1. */
int interface_prepare(struct err *e);

bool interface_exists(void);

/* What the plan (json_t) says of it, unless it is so already. *mtu: the one applied last, 0: none.
 * 0, or -1. */
int interface_apply(const void *plan_json, unsigned *mtu, struct err *e);

#endif
