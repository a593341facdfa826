/* SPDX-License-Identifier: MIT */
#include "firecracker_tap.h"
#include "cleanup.h"
#include "taphold.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/time.h>
#include <unistd.h>

#define KEEPER_S 10

/* fcvm-net's keeper, where it has made the network. */
static int ask_keeper(void)
{
	auto_fd int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	struct timeval limit = {.tv_sec = KEEPER_S};
	struct sockaddr_un to;
	socklen_t size = taphold_address(&to);
	char byte;

	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit) < 0)
		return -1;
	if (connect(fd, (struct sockaddr *)&to, size) < 0)
		return errno == ECONNREFUSED ? 0 : -1;
	return recv(fd, &byte, 1, 0) == 0 ? 0 : -1;
}

int fc_tap_lend(struct fc_tap *t, int fd, uid_t owner, struct err *e)
{
	auto_fd int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	memset(&t->device, 0, sizeof t->device);
	if (ioctl(fd, TUNGETIFF, &t->device) < 0 || ioctl(fd, TUNSETPERSIST, 1) < 0 ||
	        ask_keeper() < 0 || (owner && ioctl(fd, TUNSETOWNER, (unsigned long)owner) < 0) ||
	        null < 0 || dup3(null, fd, O_CLOEXEC) < 0)
		return err_sys(e, "cannot hand over the network's device");
	t->device.ifr_name[IFNAMSIZ - 1] = 0;
	t->fd = fd;
	return 0;
}

void fc_tap_back(struct fc_tap *t)
{
	auto_fd int fd = t->fd < 0 ? -1 : open("/dev/net/tun", O_RDWR | O_CLOEXEC);

	/* What else is told is not taken. It stays persistent, and ends with its namespace. */
	t->device.ifr_flags &= IFF_TAP | IFF_NO_PI | IFF_VNET_HDR;
	if (fd >= 0 && ioctl(fd, TUNSETIFF, &t->device) == 0)
		dup3(fd, t->fd, O_CLOEXEC);
	t->fd = -1;
}
