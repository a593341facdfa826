/* SPDX-License-Identifier: MIT */
#include "vmm.h"
#include "status.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const struct vmm_ops *const known[] = {&vmm_qemu};

const struct vmm_ops *vmm_find(const char *name, struct err *e)
{
	if (!name || !*name)
		return known[0];
	for (size_t i = 0; i < sizeof known / sizeof *known; i++)
		if (!strcmp(known[i]->name, name))
			return known[i];
	err_set(e, FCVM_EX_FAIL, "--hypervisor %s: not known: use qemu", name);
	return NULL;
}

void vmm_close(struct vmm *v)
{
	int *fds[] = {&v->agent, &v->listen, &v->console, &v->monitor, &v->log};

	for (size_t i = 0; i < sizeof fds / sizeof *fds; i++) {
		if (*fds[i] >= 0)
			close(*fds[i]);
		*fds[i] = -1;
	}
	free(v->own);
	v->own = NULL;
}
