/* SPDX-License-Identifier: MIT
 * The network as every guest has it: the same addresses everywhere, so that a clone of a machine
 * needs no configuration. What differs is outside: fcvm-net(1). */
#ifndef FCVM_GUEST_NET_H
#define FCVM_GUEST_NET_H

#define GUEST_MAC      "02:fc:00:00:00:01"
#define GUEST_IP4      "10.0.2.100"
#define GUEST_GATEWAY4 "10.0.2.1" /* also its name server */
#define GUEST_PREFIX4  24
#define GUEST_IP6      "fd00:0:0:2::100"
#define GUEST_GATEWAY6 "fd00:0:0:2::1"
#define GUEST_PREFIX6  64

#endif
