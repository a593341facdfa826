/* SPDX-License-Identifier: MIT
 * What the verbs that act on VMs share: who is meant, and one request to each. */
#ifndef CTL_ACT_H
#define CTL_ACT_H

#include "control.h"
#include "verbs.h"

/* The VMs of the command line; parsed as ctl_parse() does. who is released by this function. */
int act_find(const struct opt_spec *spec, int argc, char **argv, void *target,
        struct vms_selector *who, struct vms *vms, struct err *e);

/* Sends each VM the request (borrowed), waits for its OK and prints its name. Every VM is tried; -1
 * with the first failure, after the others were printed as messages. */
int act_each(const struct vms *vms, const json_t *request, int timeout_ms, struct err *e);

/* One VM and one request: the answer, a new reference, or NULL with e filled. */
json_t *act_ask(const struct vm *vm, json_t *request, struct err *e);

/* Waits until a VM that has ended has left its name: with its lock file, opened while it was there,
 * or -1. */
int act_open_lock(const struct vm *vm);
void act_wait_gone(int lock);

/* A member of a request, or of a whole one with one member. */
json_t *act_request(const char *type);

/* Puts the VM's name in front of an error. */
int act_failed(const struct vm *vm, struct err *e);

#endif
