/* SPDX-License-Identifier: MIT */
#ifndef FCVM_NAMES_H
#define FCVM_NAMES_H

#include "err.h"

/* Fills /etc/hosts, /etc/hostname and /etc/resolv.conf, which must be there, with what the plan
 * (json_t) says of names. 0, or -1 with e filled. */
int names_write(const void *plan_json, const char *hostname, struct err *e);

#endif
