/* SPDX-License-Identifier: MIT */
#include "vmm.h"
#include "cleanup.h"
#include "status.h"
#include "strv.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const struct vmm_ops *const known[] = {&vmm_qemu, &vmm_firecracker};

char *vmm_program(const char *name)
{
	const char *path = getenv("PATH");
	auto_free char *copy = xstrdup(path ? path : "/usr/bin:/bin");
	char *next = copy, *dir;

	while ((dir = strsep(&next, ":"))) {
		auto_free char *file = xasprintf("%s/%s", *dir ? dir : ".", name);

		if (access(file, X_OK) == 0)
			return realpath(file, NULL);
	}
	return NULL;
}

char *vmm_program_identity(const char *name, struct err *e)
{
	auto_free char *file = vmm_program(name);
	struct stat st;

	if (!file || stat(file, &st) < 0) {
		err_set(e, FCVM_EX_FAIL, "cannot run %s: not found in PATH", name);
		return NULL;
	}
	return xasprintf("%s %llu %lld.%09ld %lld.%09ld", file, (unsigned long long)st.st_size,
	        (long long)st.st_mtim.tv_sec, st.st_mtim.tv_nsec, (long long)st.st_ctim.tv_sec,
	        st.st_ctim.tv_nsec);
}

/* Firecracker starts faster, but is seldom installed and works with KVM only. */
static const struct vmm_ops *choose(const char *accel)
{
	auto_free char *program =
	        accel && !strcmp(accel, "kvm") ? vmm_program("firecracker") : NULL;

	return program ? &vmm_firecracker : &vmm_qemu;
}

const struct vmm_ops *vmm_find(const char *name, const char *accel, struct err *e)
{
	const char *from = "--hypervisor";

	if (!name || !*name) {
		name = getenv("FCVM_HYPERVISOR");
		from = "FCVM_HYPERVISOR:";
	}
	if (!name || !*name)
		return choose(accel);
	for (size_t i = 0; i < sizeof known / sizeof *known; i++)
		if (!strcmp(known[i]->name, name))
			return known[i];
	err_set(e, FCVM_EX_FAIL, "%s %s: not known: use qemu or firecracker", from, name);
	return NULL;
}

int vmm_can(const struct vmm_ops *ops, const struct vmm_config *c, struct err *e)
{
	if (c->jailed && !ops->jails)
		return err_set(e, FCVM_EX_FAIL,
		        "--jailer: %s has none: use --hypervisor firecracker, with KVM", ops->name);
	if (c->jailed && geteuid() != 0)
		return err_set(e, FCVM_EX_FAIL, "--jailer: only root can use it");
	if (c->pager && !ops->pages)
		return err_set(e, FCVM_EX_FAIL,
		        "FCVM_PAGER: %s does without, it maps a machine's memory: unset it",
		        ops->name);
	return 0;
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

void vmm_end(struct vmm *v)
{
	v->ops->kill(v);
	proc_wait(&v->proc);
	vmm_close(v);
}
