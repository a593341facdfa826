/* SPDX-License-Identifier: MIT
 * Whether the container is well, as its health probe says: fcvm.health of the plan. One probe at a
 * time, killed at its limit; so many failures in a row make it unhealthy, outside of the time that
 * it has for starting. */
#ifndef FCVM_HEALTH_H
#define FCVM_HEALTH_H

#include "supervise.h"

void health_init(struct machine *m);  /* from the plan */
void health_start(struct machine *m); /* the container runs */
void health_stop(struct machine *m);
void health_paused(struct machine *m); /* m->paused has changed */
void health_due(struct machine *m, int64_t now);
int64_t health_next(const struct machine *m); /* when health_due() has something to do; -1: never */
const char *health_word(const struct machine *m); /* "", starting, healthy, unhealthy */
void health_free(struct machine *m);

#endif
