/* SPDX-License-Identifier: MIT
 * fcvm-vol: serves host directories to a VM, and runs the rest of the line. See fcvm-vol(1). */
#include "msg.h"
#include "status.h"
#include "vol_mount.h"
#include "xio.h"

#include <string.h>

int main(int argc, char **argv)
{
	struct err e = {0};

	std_fds_open();
	if (argc > 1 && !strcmp(argv[1], "mount")) {
		int status = vol_mount(argc - 1, argv + 1, &e);

		return status >= 0 ? status : msg_err(&e);
	}
	return 1;
}
