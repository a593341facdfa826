/* SPDX-License-Identifier: MIT */
#ifndef FCVM_MEMINFO_H
#define FCVM_MEMINFO_H

#include <stdint.h>

/* Bytes that this machine could give out without swapping (MemAvailable of proc(5)); 0 if the
 * kernel does not say. */
uint64_t meminfo_available(void);

#endif
