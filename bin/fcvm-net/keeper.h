/* SPDX-License-Identifier: MIT
 * The keeper: the process in the VM's namespace that carries published ports and relays DNS. */
#ifndef FCVM_NET_KEEPER_H
#define FCVM_NET_KEEPER_H

#include "net.h"

/* Starts it, last of all, when everything it needs is there. *report: for helper_wait, which
 * returns when it serves. */
int keeper_start(struct net *n, int *report, struct err *e);

#endif
