/* SPDX-License-Identifier: MIT */
#include "cleanup.h"
#include "strv.h"
#include "vms.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>

int vm_open_lock(const struct vm *vm)
{
	auto_free char *path = xasprintf("%s/lock", vm->dir);

	return open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
}

void vm_wait_gone(int lock)
{
	while (lock >= 0 && flock(lock, LOCK_SH) < 0 && errno == EINTR)
		;
}

bool vm_has_ended(int dir_fd)
{
	auto_fd int fd = openat(dir_fd, "lock", O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);

	return fd < 0 ? errno == ENOENT : flock(fd, LOCK_SH | LOCK_NB) == 0;
}
