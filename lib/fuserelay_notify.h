/* SPDX-License-Identifier: MIT
 * Notifications on their way to the kernel (fuserelay.c's). The kernel may take one only after a
 * reply that is still to come: a page or a directory is locked by a request. So they have a thread
 * of their own, and handing one over never waits. */
#ifndef FCVM_FUSERELAY_NOTIFY_H
#define FCVM_FUSERELAY_NOTIFY_H

#include <stdbool.h>
#include <stddef.h>

struct fuserelay_notify;

/* dev: /dev/fuse; borrowed until the end. NULL with errno set. */
struct fuserelay_notify *fuserelay_notify_start(int dev);
/* A whole message, copied; one that waits already is not queued twice. A reply may be among them,
 * if nothing that a notification could wait for waits for it. 0, or -ENOBUFS: so much waits that
 * the sender is at fault. */
int fuserelay_notify_put(struct fuserelay_notify *q, const void *message, size_t n);
/* Whether the kernel has taken all that was put. */
bool fuserelay_notify_idle(struct fuserelay_notify *q);
/* Waits until it has. */
void fuserelay_notify_wait(struct fuserelay_notify *q);
/* Writes a message to dev. What the kernel cannot take as a reply must still end its request,
 * unless it has forgotten the one that was interrupted (ENOENT). */
void fuserelay_deliver(int dev, const void *message, size_t n);
void fuserelay_notify_stop(struct fuserelay_notify *q);

#endif
