/* SPDX-License-Identifier: MIT */
#include "vmm.h"
#include "cleanup.h"
#include "status.h"
#include "strv.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const struct vmm_ops *const known[] = {&vmm_qemu, &vmm_firecracker};

static bool in_path(const char *program)
{
	const char *path = getenv("PATH");
	auto_free char *copy = xstrdup(path ? path : "");
	char *next = copy, *dir;

	while ((dir = strsep(&next, ":"))) {
		auto_free char *file = xasprintf("%s/%s", *dir ? dir : ".", program);

		if (access(file, X_OK) == 0)
			return true;
	}
	return false;
}

/* Firecracker starts faster, but is seldom installed and works with KVM only. */
static const struct vmm_ops *choose(const char *accel)
{
	return accel && !strcmp(accel, "kvm") && in_path(vmm_firecracker.name) ? &vmm_firecracker
	                                                                       : &vmm_qemu;
}

const struct vmm_ops *vmm_find(const char *name, const char *accel, struct err *e)
{
	if (!name || !*name)
		return choose(accel);
	for (size_t i = 0; i < sizeof known / sizeof *known; i++)
		if (!strcmp(known[i]->name, name))
			return known[i];
	err_set(e, FCVM_EX_FAIL, "--hypervisor %s: not known: use qemu or firecracker", name);
	return NULL;
}

void vmm_close(struct vmm *v)
{
	int *fds[] = {&v->agent, &v->listen, &v->console, &v->monitor, &v->log, &v->memory};

	for (size_t i = 0; i < sizeof fds / sizeof *fds; i++) {
		if (*fds[i] >= 0)
			close(*fds[i]);
		*fds[i] = -1;
	}
	if (v->ops && v->ops->close)
		v->ops->close(v);
	free(v->own);
	v->own = NULL;
}
