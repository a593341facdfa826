/* SPDX-License-Identifier: MIT
 * Which VMs a command line means: the options that choose some, and words for names. */
#ifndef FCVM_VMS_OPT_H
#define FCVM_VMS_OPT_H

#include "opt.h"
#include "vms.h"

/* Rows of an option table for a struct vms_selector at the given offset. The words of the command
 * line are the verb's to add. */
#define VMS_OPT_NAME(offset)                                                   \
	{                                                                      \
		0, "name", "NAME", "the VM of exactly this name", OPT_LIST,    \
		        (offset) + offsetof(struct vms_selector, names), false \
	}
#define VMS_OPT_PID(offset)                                                       \
	{                                                                         \
		0, "pid", "PID", "the VM that this process belongs to", OPT_LIST, \
		        (offset) + offsetof(struct vms_selector, pids), false     \
	}
#define VMS_OPT_LATEST(offset)                                                  \
	{                                                                       \
		'l', "latest", NULL, "the VM that was made last", OPT_FLAG,     \
		        (offset) + offsetof(struct vms_selector, latest), false \
	}
#define VMS_OPT_ALL(offset)                                                  \
	{                                                                    \
		'a', "all", NULL, "every VM", OPT_FLAG,                      \
		        (offset) + offsetof(struct vms_selector, all), false \
	}

static inline void vms_selector_free(struct vms_selector *s)
{
	strv_free(&s->names);
	strv_free(&s->pids);
}

/* As opt_parse(), for a verb whose options may also follow words: they all end up in who. 0, or -1
 * with e filled. */
int vms_opt_parse(const struct opt_spec *spec, int argc, char **argv, void *target,
        struct vms_selector *who, struct err *e);

#endif
