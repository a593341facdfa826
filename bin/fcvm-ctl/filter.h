/* SPDX-License-Identifier: MIT
 * The filters of `ls`: KEY=VALUE. Those of one key add up, those of different keys narrow down. */
#ifndef CTL_FILTER_H
#define CTL_FILTER_H

#include "vms.h"

/* Are these all filters that there are? 0, or -1 with e filled. */
int filter_check(const struct strv *filters, struct err *e);
bool filter_match(const struct strv *filters, const struct vm *vm);

/* Whether they ask for something that only VMs that have ended may be. */
bool filter_wants_ended(const struct strv *filters);

#endif
