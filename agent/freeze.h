/* SPDX-License-Identifier: MIT
 * A running machine that is saved: nothing but the agent runs from FROZEN on, in the machine itself
 * until THAW, in a clone until RESUME has made it one. */
#ifndef FCVM_FREEZE_H
#define FCVM_FREEZE_H

#include "agent.h"

/* Answers FROZEN when everything is held, or with an "error" that nothing is. Until
 * agent_unfreeze() the agent must not sleep: who waits, polls. disk: only the disk is, all else
 * goes on. */
void agent_freeze(struct agent *a, bool disk);
bool agent_is_frozen(const struct agent *a);
void agent_unfreeze(struct agent *a);

/* What a clone does when it has begun what it was started for, because until then it would be in
 * the way: milliseconds until that, or -1; does it when they are over. */
int agent_settle_left(const struct agent *a);
void agent_settle_due(struct agent *a);

/* RESUME with an epoch: this machine is a clone of the one that was frozen. It asks for the time
 * first, and becomes one with the last TIME. 0, or -1 with e filled. */
int agent_wake_as_clone(struct agent *a, const json_t *message, struct err *e);
int agent_time(struct agent *a, const json_t *message, struct err *e);

#endif
