/* SPDX-License-Identifier: MIT
 * Points in time as people give them to --since and --until. */
#ifndef CTL_WHEN_H
#define CTL_WHEN_H

#include <stdint.h>

/* An RFC 3339 time, or only its beginning (then in the local zone); seconds since the epoch, also
 * parts of one; or how long before now, such as 1h30m. *out in nanoseconds since the epoch. 0 or
 * -EINVAL. */
int when_parse(const char *text, int64_t now, int64_t *out);

#endif
