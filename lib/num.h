/* SPDX-License-Identifier: MIT
 * Strict numbers: empty input, signs, trailing text and overflow are refused. All return 0 or
 * -EINVAL (not a number) or -ERANGE (outside min..max); *out is untouched on failure. */
#ifndef FCVM_NUM_H
#define FCVM_NUM_H

#include <stdint.h>

int num_u64(const char *s, uint64_t min, uint64_t max, uint64_t *out);

/* Bytes, with podman's suffixes b k m g t (and K M G T, kb, kib, …): powers of 1024.
 * Parts of them too ("1.5g"), rounded down to whole bytes. */
int num_size(const char *s, uint64_t min, uint64_t max, uint64_t *out);

/* A decimal number of CPUs such as "2" or "1.5"; *out in thousandths. */
int num_milli(const char *s, uint64_t min, uint64_t max, uint64_t *out);

/* A time as podman takes it, "1m30s", "500ms", "1.5h" or "0"; *out in milliseconds. */
int num_duration(const char *s, uint64_t min, uint64_t max, uint64_t *out);

/* A signal by name ("TERM", "SIGTERM", "RTMIN+3", "RTMAX-1") or number 1..64. Returns it or
 * -EINVAL. */
int num_signal(const char *s);

#endif
