/* SPDX-License-Identifier: MIT
 * Snapshots of the machine that runs, at a client's request. What takes time is done by a helper
 * before and after; in between nothing of the guest runs, and its memory, disk and state are
 * copied. At any end but success the machine goes on as if nothing had been. */
#ifndef FCVM_BOOT_SNAPSHOT_H
#define FCVM_BOOT_SNAPSHOT_H

#include "supervise.h"

void snapshot_request(struct conn *c, const json_t *request);
/* The machine is well: saves it as a startup template if that is asked for and was not tried yet.
 */
void snapshot_warm(struct machine *m);
void snapshot_frozen(struct machine *m, const json_t *answer); /* FROZEN came */

#endif
