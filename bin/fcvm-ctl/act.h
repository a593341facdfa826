/* SPDX-License-Identifier: MIT
 * What the verbs that act on VMs share: who is meant, and one request to each. */
#ifndef CTL_ACT_H
#define CTL_ACT_H

#include "control.h"
#include "verbs.h"

/* The VMs of the command line; parsed as vms_opt_parse() does. who is released by this function.
 * Those that have ended are found never, when they are named or the latest, or with --all too. */
enum act_ended { ACT_RUNNING, ACT_ENDED_NAMED, ACT_ENDED_ALL };
int act_find(const struct opt_spec *spec, int argc, char **argv, void *target,
        struct vms_selector *who, enum act_ended ended, struct vms *vms, struct err *e);

/* Sends each VM the request (borrowed), waits for its OK and prints its name. Every VM is tried; -1
 * with the first failure, after the others were printed as messages. */
int act_each(const struct vms *vms, const json_t *request, int timeout_ms, struct err *e);

/* As act_each(), for a request that the container's end answers, once the VM has left its name (or,
 * to tell the status, at once). VMs that have ended are told of as well. */
enum act_tell { ACT_TELL_NAME, ACT_TELL_STATUS, ACT_TELL_NOTHING };
int act_end(const struct vms *vms, const json_t *request, enum act_tell what, struct err *e);

/* Keeps one failure of several for the caller; the one before is printed as a message. failed's
 * status is 0 while there is none. */
void act_keep(struct err *failed, const struct err *e);

/* One VM and one request: the answer, a new reference, or NULL with e filled. */
json_t *act_ask(const struct vm *vm, json_t *request, struct err *e);

/* A member of a request, or of a whole one with one member. */
json_t *act_request(const char *type);

/* Puts the VM's name in front of an error. */
int act_failed(const struct vm *vm, struct err *e);

#endif
