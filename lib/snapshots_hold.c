/* SPDX-License-Identifier: MIT
 * Who keeps a snapshot from being removed: whoever has a POSIX lock on its description, of which
 * the kernel tells the process, and which ends with that. */
#include "cleanup.h"
#include "snapshots_own.h"
#include "status.h"
#include "strv.h"
#include "xio.h"

#include <fcntl.h>
#include <string.h>

static int open_meta(const struct snapshots *s, const char *tag)
{
	auto_free char *path = xasprintf("%s/" SNAPSHOT_META, tag);

	return openat(s->dir, path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
}

int snapshots_hold(
        const struct snapshots *s, const char *tag, struct snapshot *found, struct err *e)
{
	struct flock read_lock = {.l_type = F_RDLCK, .l_whence = SEEK_SET};
	auto_fd int store = snapshots_lock(s, e), fd = -1;

	if (store < 0 || snapshots_find(s, tag, found, e) < 0)
		return -1;
	/* Any other descriptor of the file, closed in this process, would end the lock. */
	fd = open_meta(s, tag);
	if (fd < 0 || fcntl(fd, F_SETLK, &read_lock) < 0) {
		err_sys(e, "cannot hold the snapshot %s", tag);
		snapshot_close(found);
		return -1;
	}
	return steal_fd(&fd);
}

pid_t snapshots_holder(const struct snapshots *s, const char *tag)
{
	struct flock write_lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	auto_fd int fd = open_meta(s, tag);

	if (fd < 0 || fcntl(fd, F_GETLK, &write_lock) < 0 || write_lock.l_type == F_UNLCK)
		return 0;
	return write_lock.l_pid > 0 ? write_lock.l_pid : -1;
}

int snapshots_check_free(const struct snapshots *s, const char *tag, struct err *e)
{
	pid_t pid = snapshots_holder(s, tag);
	auto_free char *path = xasprintf("/proc/%d/comm", (int)pid), *name = NULL;

	if (!pid)
		return 0;
	if (pid < 0 || read_file_at(AT_FDCWD, path, 64, &name, NULL) < 0)
		return err_set(e, FCVM_EX_BUSY,
		        "the snapshot %s is held by a process of another pid namespace", tag);
	name[strcspn(name, "\n")] = 0;
	return err_set(e, FCVM_EX_BUSY, "the snapshot %s is held by %s, process %d: end that first",
	        tag, name, (int)pid);
}
