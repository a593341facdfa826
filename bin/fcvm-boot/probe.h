/* SPDX-License-Identifier: MIT
 * Which accelerator really works here. /dev/kvm may open and still be useless: some hosts emulate
 * a guest instruction by instruction, and no kernel ever comes up. So a few bytes of guest code run
 * on it against the clock. */
#ifndef FCVM_PROBE_H
#define FCVM_PROBE_H

#include <stddef.h>

/* "kvm" or "tcg"; `why` gets one sentence. Takes at most about 250 ms. */
const char *probe_accelerator(char *why, size_t size);

#endif
