/* SPDX-License-Identifier: MIT */
#include "firecracker_jail_mounts.h"
#include "cleanup.h"
#include "status.h"
#include "strv.h"
#include "xio.h"

#include <dirent.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define NAME ".jail."

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

/* What a process that was killed left behind: those that live have a lock. */
static void sweep(int dir)
{
	DIR *d = opendir_at(dir, ".");
	struct dirent *ent;

	while (d && (ent = readdir(d))) {
		auto_fd int fd = strncmp(ent->d_name, NAME, strlen(NAME)) != 0
		                         ? -1
		                         : openat(dir, ent->d_name, O_RDONLY | O_CLOEXEC);

		if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0)
			unlinkat(dir, ent->d_name, 0);
	}
	if (d)
		closedir(d);
}

/* A file without a name cannot be attached anywhere. It has one beside those that it was made
 * beside, from here until fc_jail_mounts_close(). */
static int name_file(int fd, int *dir, char *name, size_t size)
{
	char path[40], at[PATH_MAX];
	unsigned random;
	ssize_t n;

	snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	n = readlink(path, at, sizeof at - 1);
	if (n < 0 || getrandom(&random, sizeof random, 0) != sizeof random ||
	        flock(fd, LOCK_EX | LOCK_NB) < 0)
		return -1;
	at[n] = 0;
	*dir = open(dirname(at), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (*dir < 0)
		return -1;
	sweep(*dir);
	snprintf(name, size, NAME "%08x", random);
	if (linkat(AT_FDCWD, path, *dir, name, AT_SYMLINK_FOLLOW) < 0)
		return -1;
	return openat(*dir, name, O_PATH | O_CLOEXEC);
}

static int tree_of(struct fc_jail_mounts *m, int fd)
{
	auto_fd int named = -1;
	struct stat st;
	int mount, dir = -1;

	if (fstat(fd, &st) < 0)
		return -1;
	if (st.st_nlink == 0) {
		named = name_file(fd, &dir, m->v[m->n].name, sizeof m->v->name);
		m->v[m->n].dir = dir < 0 ? 0 : dir;
		if (named < 0) {
			m->n += dir >= 0; /* to be cleaned up */
			return -1;
		}
	}
	mount = open_tree(
	        named < 0 ? fd : named, "", AT_EMPTY_PATH | OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
	m->v[m->n++].fd = mount < 0 ? 0 : mount;
	return mount;
}

int fc_jail_mounts_add(
        struct fc_jail_mounts *m, int fd, enum fc_jail_use use, const char *to, struct err *e)
{
	struct mount_attr read_only = {.attr_set = MOUNT_ATTR_RDONLY};
	int mount = -1;

	if (m->n == FC_JAIL_MOUNTS)
		return err_set(e, FCVM_EX_FAIL, "too many files for a jail");
	snprintf(m->v[m->n].to, sizeof m->v->to, "%s", to);
	if (allow(fd, use, m->uid) == 0)
		mount = tree_of(m, fd);
	if (mount < 0)
		return err_sys(e, "cannot give a jail its %s", to);
	if (use == FC_JAIL_READ &&
	        mount_setattr(mount, "", AT_EMPTY_PATH, &read_only, sizeof read_only) < 0)
		return err_sys(e, "cannot give a jail its %s for reading", to);
	return 0;
}

void fc_jail_mounts_close(struct fc_jail_mounts *m)
{
	for (size_t i = 0; i < m->n; i++) {
		if (m->v[i].dir > 0 && *m->v[i].name)
			unlinkat(m->v[i].dir, m->v[i].name, 0);
		if (m->v[i].dir > 0)
			close(m->v[i].dir);
		if (m->v[i].fd > 0)
			close(m->v[i].fd);
	}
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
