/* SPDX-License-Identifier: MIT
 * A server that a guest has taken over must have nothing: its root is an empty file system, the
 * volume is reachable by one descriptor of a mount of its own, which is read-only where the volume
 * is and takes neither devices nor set-user-id programs. */
#include "cleanup.h"
#include "status.h"
#include "vol_server.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* The volume as a mount that is attached nowhere: ".." of its root is its root. */
static int own_mount(const struct vol_spec *v, struct err *e)
{
	auto_fd int tree = (int)syscall(SYS_open_tree, AT_FDCWD, v->source,
	        OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE | AT_SYMLINK_NOFOLLOW);
	struct mount_attr attr = {.attr_set = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV |
	                                      (v->readonly ? MOUNT_ATTR_RDONLY : 0)};
	struct stat st;

	if (tree < 0)
		return err_sys(e, "cannot take hold of %s", v->source);
	if (fstat(tree, &st) < 0 || st.st_dev != v->dev || st.st_ino != v->ino)
		return err_set(e, FCVM_EX_FAIL, "%s has just become another file", v->source);
	if (syscall(SYS_mount_setattr, tree, "", AT_EMPTY_PATH | AT_RECURSIVE, &attr, sizeof attr) <
	        0)
		return err_sys(e, "cannot restrict the mount of %s", v->source);
	return steal_fd(&tree);
}

static int empty_root(struct err *e)
{
	auto_fd int fs = (int)syscall(SYS_fsopen, "tmpfs", FSOPEN_CLOEXEC);
	auto_fd int root = -1;

	if (fs >= 0 && syscall(SYS_fsconfig, fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) == 0)
		root = (int)syscall(SYS_fsmount, fs, FSMOUNT_CLOEXEC,
		        MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV |
		                MOUNT_ATTR_NOEXEC);
	if (root < 0 ||
	        syscall(SYS_move_mount, root, "", AT_FDCWD, "/", MOVE_MOUNT_F_EMPTY_PATH) < 0 ||
	        fchdir(root) < 0 || syscall(SYS_pivot_root, ".", ".") < 0 ||
	        umount2(".", MNT_DETACH) < 0)
		return err_sys(e, "cannot give the server an empty root");
	return 0;
}

int confine_namespaces(const struct vol_spec *v, struct err *e)
{
	auto_fd int fds = open("/proc/self/fd", O_PATH | O_DIRECTORY | O_CLOEXEC);
	auto_fd int tree = -1;

	if (fds < 0)
		return err_sys(e, "cannot open /proc/self/fd");
	if (unshare(CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS) < 0)
		return err_sys(e, "cannot make the server's namespaces");
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return err_sys(e, "cannot leave the host's mounts");
	tree = own_mount(v, e);
	if (tree < 0 || empty_root(e) < 0)
		return -1;
	if (fchdir(fds) < 0)
		return err_sys(e, "cannot enter /proc/self/fd");
	return steal_fd(&tree);
}
