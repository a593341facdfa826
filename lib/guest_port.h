/* SPDX-License-Identifier: MIT
 * The streams between guest and host have names, as ports of a virtio console have. A hypervisor
 * whose guest connects to the host by number instead (vsock) knows each by a number. */
#ifndef FCVM_GUEST_PORT_H
#define FCVM_GUEST_PORT_H

#define GUEST_PORT_AGENT "fcvm.agent"

/* "fcvm.agent": 1024; "fcvm.volN": 1100 + N; others: -1. */
int guest_port_number(const char *name);

#endif
