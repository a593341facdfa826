/* SPDX-License-Identifier: MIT */
#include "reserve.h"
#include "cleanup.h"

#include <stdio.h>
#include <string.h>

socklen_t reserve_name(struct sockaddr_un *a, const char *word)
{
	int n;

	memset(a, 0, sizeof *a);
	a->sun_family = AF_UNIX;
	n = snprintf(a->sun_path + 1, sizeof a->sun_path - 1, "fcvm-net/%s", word);
	if (n > (int)sizeof a->sun_path - 2)
		n = sizeof a->sun_path - 2;
	return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)n);
}

int reserve(const char *word)
{
	auto_fd int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct sockaddr_un a;
	socklen_t len = reserve_name(&a, word);

	if (fd < 0 || bind(fd, (struct sockaddr *)&a, len) < 0)
		return -errno;
	return steal_fd(&fd);
}
