/* SPDX-License-Identifier: MIT */
#include "firecracker_files.h"
#include "cleanup.h"
#include "strv.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

/* It writes from the beginning of whatever is there, so no other machine's may be. */
static int open_new(const char *dir, const char *what, int *fd, struct err *e)
{
	auto_free char *path = xasprintf("%s/firecracker.%d.%s", dir, (int)getpid(), what);

	unlink(path);
	*fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	return *fd < 0 ? err_sys(e, "FCVM_VMM_DIR: cannot make %s", path) : 0;
}

int fc_files_open(int *log, int *metrics, struct err *e)
{
	const char *dir = getenv("FCVM_VMM_DIR");

	if (!dir || !*dir)
		return 0;
	return open_new(dir, "log", log, e) < 0 ? -1 : open_new(dir, "metrics", metrics, e);
}
