/* SPDX-License-Identifier: MIT
 * What `stats` shows of a VM, by the names that podman's templates have for it. */
#ifndef CTL_STATS_SHOW_H
#define CTL_STATS_SHOW_H

#include "stats_ask.h"
#include "tmpl.h"

tmpl_field stats_field; /* ctx: a struct subject; NULL: the headings */

/* An object with podman's members; a new reference. */
json_t *stats_json(const struct subject *s);

/* Bytes as podman words them: in powers of 1000, or of 1024. */
void stats_size(FILE *out, int64_t bytes, bool binary);

#endif
