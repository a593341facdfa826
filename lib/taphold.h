/* SPDX-License-Identifier: MIT
 * The keeper of fcvm-net(1) has the network's device open as well, so that nobody waits for its
 * last close. Who needs it for another process, which can attach only when nobody else is, connects
 * to this abstract name (SOCK_SEQPACKET) in the machine's network namespace: when the connection
 * ends the keeper has let go of it. */
#ifndef FCVM_TAPHOLD_H
#define FCVM_TAPHOLD_H

#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#define TAPHOLD_NAME "fcvm-tap"

static inline socklen_t taphold_address(struct sockaddr_un *a)
{
	*a = (struct sockaddr_un){.sun_family = AF_UNIX};
	memcpy(a->sun_path + 1, TAPHOLD_NAME, sizeof TAPHOLD_NAME - 1); /* after a NUL */
	return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + sizeof TAPHOLD_NAME);
}

#endif
