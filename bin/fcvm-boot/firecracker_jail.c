/* SPDX-License-Identifier: MIT */
#include "firecracker_jail.h"
#include "cleanup.h"
#include "firecracker_jail_mounts.h"
#include "firecracker_requests.h"
#include "guest_port.h"
#include "helper.h"
#include "status.h"
#include "strv.h"
#include "xio.h"

#include <fcntl.h>
#include <libgen.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define CLAIMS   "/run/fcvm-jailer.lock"
#define FD_DIR   "proc/self/fd"
#define INSTANCE "fcvm"

/* A user that no other jail of the host has: one byte of a file, locked, for each. The first
 * process of the pid namespace holds it as well, which ends after all others there. */
static int claim_user(struct fc_jail *j, struct err *e)
{
	j->claim = open(CLAIMS, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	for (uid_t i = 1; j->claim >= 0 && i < FC_JAIL_USERS; i++) {
		struct flock range = {
		        .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = (off_t)i, .l_len = 1};

		if (fcntl(j->claim, F_OFD_SETLK, &range) == 0) {
			j->uid = FC_JAIL_USER + i;
			return 0;
		}
		if (errno != EAGAIN && errno != EACCES && errno != EINTR)
			break;
	}
	return err_sys(e, "cannot have a user for a jail: " CLAIMS);
}

static int make_fs(struct fc_jail *j, struct err *e)
{
	auto_fd int fs = fsopen("tmpfs", FSOPEN_CLOEXEC);

	if (fs >= 0 && fsconfig(fs, FSCONFIG_SET_STRING, "size", "256m", 0) == 0 &&
	        fsconfig(fs, FSCONFIG_SET_STRING, "mode", "755", 0) == 0 &&
	        fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) == 0)
		j->fs = fsmount(fs, FSMOUNT_CLOEXEC, MOUNT_ATTR_NOSUID);
	return j->fs < 0 ? err_sys(e, "cannot make the file system of a jail") : 0;
}

/* Makes the directories of a path, for everyone to pass whatever the umask, and returns the last.
 */
static int make_dirs(int at, const char *path)
{
	auto_free char *copy = xstrdup(path);
	char *next = copy, *name;
	int dir = fcntl(at, F_DUPFD_CLOEXEC, 3);

	while (dir >= 0 && (name = strsep(&next, "/"))) {
		int r = mkdirat(dir, name, 0755) < 0 && errno != EEXIST
		                ? -1
		                : fchmodat(dir, name, 0755, 0);
		int sub = r < 0 ? -1 : openat(dir, name, O_PATH | O_DIRECTORY | O_CLOEXEC);

		close(dir);
		dir = sub;
	}
	return dir;
}

/* A file to mount another on. */
static int place(int at, const char *name)
{
	int fd = openat(at, name, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	if (fd >= 0)
		close(fd);
	return fd < 0 ? -1 : 0;
}

static int make_log(const struct fc_jail *j, int fds, int *log)
{
	char name[16];

	snprintf(name, sizeof name, "%d", FC_FD_LOG);
	if (j->log >= 0)
		return place(fds, name);
	if (mkfifoat(fds, name, 0600) < 0 || fchownat(fds, name, j->uid, FC_JAIL_GROUP, 0) < 0)
		return -1;
	*log = openat(fds, name, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	return *log < 0 ? -1 : 0;
}

/* What its mounts will lie on, its log, and the directory for its sockets. */
static int fill(struct fc_jail *j, int *dir, int *log, struct err *e)
{
	auto_fd int root = make_dirs(j->fs, j->root);
	auto_fd int fds = root < 0 ? -1 : make_dirs(root, FD_DIR);
	char name[16];
	int own;

	if (fds < 0 || place(root, FC_JAIL_KERNEL) < 0 || place(root, FC_JAIL_INITRD) < 0)
		return err_sys(e, "cannot fill a jail");
	for (int fd = FC_FD_DISK; fd <= FC_NAME_MEMORY; fd++) {
		snprintf(name, sizeof name, "%d", fd);
		if (place(fds, name) < 0)
			return err_sys(e, "cannot fill a jail");
	}
	snprintf(name, sizeof name, "%d", FC_FD_DIR);
	own = make_dirs(fds, name);
	if (own < 0 || fchownat(own, "", j->uid, FC_JAIL_GROUP, AT_EMPTY_PATH) < 0 ||
	        (j->pager >= 0 && place(own, FC_PAGER_NAME) < 0) || make_log(j, fds, log) < 0) {
		if (own >= 0)
			close(own);
		return err_sys(e, "cannot fill a jail");
	}
	if (*dir >= 0)
		close(*dir);
	*dir = own;
	return 0;
}

static void wait_for_end(void *ctx, int report)
{
	char byte;

	(void)ctx;
	helper_tell(report, NULL); /* it has none of our descriptors any more */
	while (recv(report, &byte, 1, 0) < 0 && errno == EINTR)
		;
}

/* With other credentials a process loses its parent-death signal, but not its pid namespace. */
static int start_init(struct fc_jail *j, struct err *e)
{
	const int keep[] = {j->claim};
	struct helper h = {.program = "fcvm-boot",
	        .name = "fcvm-boot-jail",
	        .clone_flags = CLONE_NEWPID,
	        .keep = keep,
	        .n_keep = 1,
	        .pidfd = &j->init,
	        .fn = wait_for_end};

	return helper_start(&h, &j->end, e) < 0 ? -1 : helper_wait(j->end, h.name, e);
}

static int open_file(const char *path, int flags, int *fd, struct err *e)
{
	*fd = open(path, flags | O_CLOEXEC);
	return *fd < 0 ? err_sys(e, "cannot open %s", path) : 0;
}

int fc_jail_make(struct fc_jail *j, const struct vmm_config *c, int base, int *dir, int *log,
        int metrics, struct err *e)
{
	auto_free char *name = NULL;

	*j = (struct fc_jail)FC_JAIL_NONE;
	j->base = base;
	j->log = *log;
	j->metrics = metrics;
	j->program = vmm_program("firecracker");
	if (!j->program)
		return err_set(e, FCVM_EX_FAIL, "cannot run firecracker: not found in PATH");
	name = xstrdup(j->program);
	j->root = xasprintf("%s/" INSTANCE "/root", basename(name));
	if ((c->state < 0 && (open_file(c->kernel, O_RDONLY, &j->kernel, e) < 0 ||
	                             open_file(c->initrd, O_RDONLY, &j->initrd, e) < 0)) ||
	        (c->pager && open_file(c->pager, O_PATH, &j->pager, e) < 0))
		return -1;
	if (claim_user(j, e) < 0 || start_init(j, e) < 0 || make_fs(j, e) < 0)
		return -1;
	return fill(j, dir, log, e);
}

void fc_jail_end(struct fc_jail *j)
{
	int *fds[] = {&j->claim, &j->end, &j->fs, &j->kernel, &j->initrd, &j->pager, &j->init};

	if (j->init >= 0) {
		siginfo_t info;

		proc_kill(&(struct proc){.pidfd = j->init}, SIGKILL);
		while (waitid(P_PIDFD, (id_t)j->init, &info, WEXITED | __WALL) < 0 &&
		        errno == EINTR)
			;
	}
	for (size_t i = 0; i < sizeof fds / sizeof *fds; i++) {
		if (*fds[i] >= 0)
			close(*fds[i]);
		*fds[i] = -1;
	}
	free(j->program);
	free(j->root);
	j->program = j->root = NULL;
	j->uid = 0;
}

static int add(
        struct fc_jail_mounts *m, int fd, enum fc_jail_use use, const char *to, struct err *e)
{
	return fd < 0 ? 0 : fc_jail_mounts_add(m, fd, use, to, e);
}

static int add_number(
        struct fc_jail_mounts *m, int fd, enum fc_jail_use use, int number, struct err *e)
{
	char to[40];

	snprintf(to, sizeof to, FD_DIR "/%d", number);
	return add(m, fd, use, to, e);
}

static int add_all(struct fc_jail_mounts *m, const struct fc_jail *j, const struct vmm_config *c,
        struct err *e)
{
	char pager[48];

	snprintf(pager, sizeof pager, FD_DIR "/%d/" FC_PAGER_NAME, FC_FD_DIR);
	if (add(m, j->kernel, FC_JAIL_READ, FC_JAIL_KERNEL, e) < 0 ||
	        add(m, j->initrd, FC_JAIL_READ, FC_JAIL_INITRD, e) < 0 ||
	        add(m, j->pager, FC_JAIL_CONNECT, pager, e) < 0)
		return -1;
	for (size_t i = 0; i < c->n_disks; i++)
		if (add_number(m, c->disks[i].fd,
		            c->disks[i].writable ? FC_JAIL_WRITE : FC_JAIL_READ,
		            FC_FD_DISK + (int)i, e) < 0)
			return -1;
	if (add_number(m, j->log, FC_JAIL_WRITE, FC_FD_LOG, e) < 0 ||
	        add_number(m, j->metrics, FC_JAIL_WRITE, FC_FD_METRICS, e) < 0)
		return -1;
	if (c->state < 0)
		return 0;
	return add_number(m, c->state, FC_JAIL_READ, FC_FD_STATE, e) < 0
	               ? -1
	               : add_number(m, c->memory_file, FC_JAIL_READ, FC_FD_MEMORY, e);
}

int fc_jail_start(struct fc_jail *j, const struct vmm_config *c, struct proc *p, char *const *argv,
        const struct proc_opts *o, struct err *e)
{
	struct fc_jail_mounts m = {.uid = j->uid, .fs = j->fs, .base = j->base, .root = j->root};
	auto_fd int own = open("/proc/self/ns/pid", O_RDONLY | O_CLOEXEC);
	auto_strv struct strv words = {0};
	struct proc_opts in_jail = *o;
	int r = add_all(&m, j, c, e);

	strv_addl(&words, "jailer", "--id", INSTANCE, "--exec-file", j->program,
	        "--chroot-base-dir", ".", "--uid", NULL);
	strv_addf(&words, "%u", (unsigned)j->uid);
	strv_addl(&words, "--gid", NULL);
	strv_addf(&words, "%u", (unsigned)FC_JAIL_GROUP);
	strv_addl(&words, "--", NULL);
	for (int i = 1; argv[i]; i++)
		strv_add(&words, argv[i]);
	in_jail.prepare = fc_jail_mounts_attach;
	in_jail.ctx = &m;
	in_jail.ends_otherwise = true;
	if (r == 0 && (own < 0 || setns(j->init, CLONE_NEWPID) < 0))
		r = err_sys(e, "cannot enter the jail's pid namespace");
	if (r == 0) {
		r = proc_start(p, words.v, &in_jail, e);
		if (setns(own, CLONE_NEWPID) < 0 && r == 0) {
			r = err_sys(e, "cannot leave the jail's pid namespace");
			proc_kill(p, SIGKILL);
			proc_wait(p);
		}
	}
	fc_jail_mounts_close(&m);
	return r;
}

int fc_jail_lend(
        const struct fc_jail *j, const struct proc *p, int state, int memory, struct err *e)
{
	struct fc_jail_mounts m = {.uid = j->uid, .fs = -1};
	int r = -1;

	if (add_number(&m, state, FC_JAIL_WRITE, FC_NAME_STATE, e) == 0 &&
	        add_number(&m, memory, FC_JAIL_WRITE, FC_NAME_MEMORY, e) == 0)
		r = fc_jail_mounts_into(&m, p, e);
	fc_jail_mounts_close(&m);
	return r;
}

int fc_jail_take_back(const struct proc *p, int state, int memory, struct err *e)
{
	struct fc_jail_mounts m = {.fs = -1, .end = true};
	int r;

	snprintf(m.v[0].to, sizeof m.v[0].to, FD_DIR "/%d", FC_NAME_STATE);
	snprintf(m.v[1].to, sizeof m.v[1].to, FD_DIR "/%d", FC_NAME_MEMORY);
	m.n = 2;
	r = fc_jail_mounts_into(&m, p, e);
	if (fchown(state, 0, 0) < 0 || fchown(memory, 0, 0) < 0)
		return r < 0 ? -1 : err_sys(e, "cannot take back what was saved");
	return r;
}

static int own_socket(const struct fc_jail *j, int dir, const char *port)
{
	char name[40];

	snprintf(name, sizeof name, FC_VSOCK_NAME "_%d", guest_port_number(port));
	return fchownat(dir, name, j->uid, FC_JAIL_GROUP, AT_SYMLINK_NOFOLLOW);
}

int fc_jail_own_sockets(
        const struct fc_jail *j, int dir, const struct vmm_port *ports, size_t n, struct err *e)
{
	int r = own_socket(j, dir, GUEST_PORT_AGENT);

	for (size_t i = 0; r == 0 && i < n; i++)
		r = own_socket(j, dir, ports[i].name);
	return r < 0 ? err_sys(e, "cannot hand over the guest's sockets") : 0;
}
