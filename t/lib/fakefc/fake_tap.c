/* SPDX-License-Identifier: MIT */
#include "fakefc.h"
#include "strv.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

int fake_tap(const char *name, char **why)
{
	struct ifreq ifr = {.ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR};
	int fd = getenv("FAKEFC_TAP") ? open("/dev/net/tun", O_RDWR | O_CLOEXEC) : -2;

	if (fd == -2)
		return 0;
	strncpy(ifr.ifr_name, name, IFNAMSIZ - 1);
	/* A device that is not there would be made, which is nothing that a test wants. */
	if (fd >= 0 && ioctl(fd, TUNSETIFF, &ifr) == 0 && ioctl(fd, TUNGETIFF, &ifr) == 0 &&
	        (ifr.ifr_flags & IFF_PERSIST))
		return 0;
	*why = xasprintf("Open tap device failed: %s", strerror(errno));
	if (fd >= 0)
		close(fd);
	return -1;
}
