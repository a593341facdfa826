/* SPDX-License-Identifier: MIT */
#include "firecracker_tap.h"
#include "cleanup.h"

#include <fcntl.h>
#include <linux/if_tun.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

int fc_tap_lend(struct fc_tap *t, int fd, uid_t owner, struct err *e)
{
	auto_fd int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	memset(&t->device, 0, sizeof t->device);
	if (ioctl(fd, TUNGETIFF, &t->device) < 0 || ioctl(fd, TUNSETPERSIST, 1) < 0 ||
	        (owner && ioctl(fd, TUNSETOWNER, (unsigned long)owner) < 0) || null < 0 ||
	        dup3(null, fd, O_CLOEXEC) < 0)
		return err_sys(e, "cannot hand over the network's device");
	t->device.ifr_name[IFNAMSIZ - 1] = 0;
	t->fd = fd;
	return 0;
}

void fc_tap_back(struct fc_tap *t)
{
	auto_fd int fd = t->fd < 0 ? -1 : open("/dev/net/tun", O_RDWR | O_CLOEXEC);

	/* IFF_PERSIST and the like are told, but not taken. */
	t->device.ifr_flags &= IFF_TAP | IFF_NO_PI | IFF_VNET_HDR;
	if (fd >= 0 && ioctl(fd, TUNSETIFF, &t->device) == 0 && dup3(fd, t->fd, O_CLOEXEC) >= 0)
		ioctl(t->fd, TUNSETPERSIST, 0);
	t->fd = -1;
}
