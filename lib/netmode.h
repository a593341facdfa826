/* SPDX-License-Identifier: MIT
 * What --network says, in our words and in podman's. */
#ifndef FCVM_NETMODE_H
#define FCVM_NETMODE_H

#include "err.h"

/* "rootless", "bridged", "routed" or "none", or NULL with e filled (FCVM_EX_USAGE). */
const char *netmode(const char *word, struct err *e);

#endif
