/* SPDX-License-Identifier: MIT */
#include "firecracker_jail_mounts.h"
#include "cleanup.h"
#include "status.h"
#include "strv.h"

#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* The folders of what is shared let nobody pass but root, so that the group's members see what is
 * mounted for them and nothing else. */
static int allow(int fd, enum fc_jail_use use, uid_t uid)
{
	mode_t need = use == FC_JAIL_CONNECT ? S_IWGRP : S_IRGRP;
	char path[40];
	struct stat st;

	snprintf(path, sizeof path, "/proc/self/fd/%d", fd); /* it may be O_PATH */
	if (stat(path, &st) < 0)
		return -1;
	if (use == FC_JAIL_WRITE)
		return st.st_uid == uid ? 0 : chown(path, uid, (gid_t)-1);
	if (st.st_mode & (use == FC_JAIL_CONNECT ? S_IWOTH : S_IROTH))
		return 0;
	if (st.st_gid != FC_JAIL_GROUP && chown(path, (uid_t)-1, FC_JAIL_GROUP) < 0)
		return -1;
	return st.st_mode & need ? 0 : chmod(path, (st.st_mode & 07777) | need);
}

int fc_jail_mounts_add(
        struct fc_jail_mounts *m, int fd, enum fc_jail_use use, const char *to, struct err *e)
{
	struct mount_attr read_only = {.attr_set = MOUNT_ATTR_RDONLY};
	int mount = -1;

	if (m->n == FC_JAIL_MOUNTS)
		return err_set(e, FCVM_EX_FAIL, "too many files for a jail");
	if (allow(fd, use, m->uid) == 0)
		mount = open_tree(fd, "", AT_EMPTY_PATH | OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
	if (mount < 0)
		return err_sys(e, "cannot give a jail its %s", to);
	m->v[m->n].fd = mount;
	snprintf(m->v[m->n++].to, sizeof m->v->to, "%s", to);
	if (use == FC_JAIL_READ &&
	        mount_setattr(mount, "", AT_EMPTY_PATH, &read_only, sizeof read_only) < 0)
		return err_sys(e, "cannot give a jail its %s for reading", to);
	return 0;
}

void fc_jail_mounts_close(struct fc_jail_mounts *m)
{
	for (size_t i = 0; i < m->n; i++)
		if (m->v[i].fd > 0)
			close(m->v[i].fd);
	m->n = 0;
}

static int attach(const struct fc_jail_mounts *m, const char *root)
{
	for (size_t i = 0; i < m->n; i++) {
		auto_free char *to = xasprintf("%s/%s", root, m->v[i].to);

		if (m->end ? umount2(to, MNT_DETACH) < 0
		           : move_mount(m->v[i].fd, "", AT_FDCWD, to, MOVE_MOUNT_F_EMPTY_PATH) < 0)
			return -1;
	}
	return 0;
}

int fc_jail_mounts_attach(void *mounts)
{
	const struct fc_jail_mounts *m = mounts;

	/* Below "." it is this namespace's own, unlike below a descriptor. */
	if (fchdir(m->base) < 0 || unshare(CLONE_NEWNS) < 0 ||
	        mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) < 0 ||
	        move_mount(m->fs, "", AT_FDCWD, ".", MOVE_MOUNT_F_EMPTY_PATH) < 0 ||
	        fchdir(m->fs) < 0)
		return -1;
	return attach(m, m->root);
}

int fc_jail_mounts_into(const struct fc_jail_mounts *m, const struct proc *p, struct err *e)
{
	int ws = 0;
	pid_t pid = fork();

	if (pid == 0)
		_exit(setns(p->pidfd, CLONE_NEWNS) < 0 || attach(m, "") < 0 ? errno : 0);
	if (pid < 0)
		return err_sys(e, "cannot start a process for a jail");
	while (waitpid(pid, &ws, 0) < 0)
		if (errno != EINTR)
			return err_sys(e, "cannot wait for a process in a jail");
	if (ws == 0)
		return 0;
	errno = WIFEXITED(ws) ? WEXITSTATUS(ws) : ECHILD;
	return err_sys(e, "cannot %s a jail", m->end ? "take files from" : "give files to");
}
