/* SPDX-License-Identifier: MIT */
#include "lock.h"
#include "cleanup.h"

#include <fcntl.h>
#include <sys/file.h>

int lock_file_at(int dirfd, const char *path, bool exclusive, bool wait)
{
	auto_fd int fd = openat(dirfd, path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	int how = (exclusive ? LOCK_EX : LOCK_SH) | (wait ? 0 : LOCK_NB);

	if (fd < 0)
		return -errno;
	while (flock(fd, how) < 0)
		if (errno != EINTR)
			return -errno;
	return steal_fd(&fd);
}
