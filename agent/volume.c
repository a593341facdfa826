/* SPDX-License-Identifier: MIT */
#include "volume.h"
#include "cleanup.h"
#include "clock.h"
#include "early.h"
#include "fds.h"
#include "fuserelay.h"
#include "status.h"
#include "xio.h"

#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define HIGH_FD 1000

bool volume_is(const json_t *mount)
{
	const char *type = json_string_value(json_object_get(mount, "type"));

	return type && !strcmp(type, "volume");
}

static void path_of(size_t i, char *path, size_t size)
{
	snprintf(path, size, VOLUME_DIR "/%zu", i);
}

/* The relay's process. It alone holds /dev/fuse, so that its end is the end of the mount. */
static void __attribute__((noreturn)) relay(int dev, int port, int control, const char *at)
{
	struct err e;

	prctl(PR_SET_NAME, "fcvm-volume");
	dev = fcntl(dev, F_DUPFD_CLOEXEC, HIGH_FD);
	port = fcntl(port, F_DUPFD_CLOEXEC, HIGH_FD);
	control = fcntl(control, F_DUPFD_CLOEXEC, HIGH_FD);
	close_range(3, HIGH_FD - 1, 0);
	/* A thread waits for each direction. */
	fcntl(port, F_SETFL, fcntl(port, F_GETFL) & ~O_NONBLOCK);
	if (fuserelay_hello(port, &e) == 0 && fuserelay_run(dev, port, control, &e) == 0)
		_exit(0);
	fprintf(stderr, "fcvm-agent: the volume at %s: %s\n", at, e.text);
	_exit(FCVM_EX_FAIL);
}

/* Its control socket, or -1. */
static int start_relay(int dev, int port, const char *at, struct err *e)
{
	int pair[2];
	pid_t pid = -1;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) == 0) {
		pid = fork();
		if (pid == 0)
			relay(dev, port, pair[1], at);
		close(pair[1]);
		if (pid < 0)
			close(pair[0]);
	}
	return pid < 0 ? err_sys(e, "cannot start the relay of the volume at %s", at) : pair[0];
}

static int make_mount(int dev, bool file, struct err *e)
{
	auto_fd int fs = fsopen("fuse", FSOPEN_CLOEXEC);
	char number[16];
	int mnt = -1;

	snprintf(number, sizeof number, "%d", dev);
	if (fs >= 0 && fsconfig(fs, FSCONFIG_SET_STRING, "source", "fcvm", 0) == 0 &&
	        fsconfig(fs, FSCONFIG_SET_STRING, "fd", number, 0) == 0 &&
	        fsconfig(fs, FSCONFIG_SET_STRING, "rootmode", file ? "100000" : "40000", 0) == 0 &&
	        fsconfig(fs, FSCONFIG_SET_STRING, "user_id", "0", 0) == 0 &&
	        fsconfig(fs, FSCONFIG_SET_STRING, "group_id", "0", 0) == 0 &&
	        fsconfig(fs, FSCONFIG_SET_FLAG, "allow_other", NULL, 0) == 0 &&
	        fsconfig(fs, FSCONFIG_SET_FLAG, "default_permissions", NULL, 0) == 0 &&
	        fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) == 0)
		mnt = fsmount(fs, FSMOUNT_CLOEXEC, 0);
	return mnt < 0 ? err_sys(e, "cannot make a FUSE file system") : mnt;
}

static int mount_one(size_t i, const json_t *m, struct err *e)
{
	const char *at = json_string_value(json_object_get(m, "destination"));
	const char *name = json_string_value(json_object_get(m, "source"));
	bool file = json_is_true(json_object_get(m, "file"));
	auto_fd int port = -1, dev = -1, mnt = -1;
	char path[40];

	if (!at || !name)
		return err_set(e, FCVM_EX_FAIL, "the plan has a volume without a name");
	port = early_port(name, e);
	if (port < 0)
		return -1;
	path_of(i, path, sizeof path);
	dev = open("/dev/fuse", O_RDWR | O_CLOEXEC);
	if (dev < 0 || (file ? mknod(path, S_IFREG | 0600, 0) : mkdir(path, 0700)) < 0)
		return err_sys(e, "cannot prepare the volume at %s", at);
	mnt = make_mount(dev, file, e);
	if (mnt < 0)
		return err_prefix(e, "the volume at %s", at);
	if (move_mount(mnt, "", AT_FDCWD, path, MOVE_MOUNT_F_EMPTY_PATH) < 0)
		return err_sys(e, "cannot mount the volume at %s", at);
	fuserelay_widen_reads(mnt, "");
	return start_relay(dev, port, at, e);
}

int volumes_mount(struct volumes *v, const json_t *plan, struct err *e)
{
	const json_t *m;
	size_t i;

	if (v->n)
		return 0;
	json_array_foreach(json_object_get(plan, "mounts"), i, m)
	{
		if (!volume_is(m))
			continue;
		if (v->n == 0 && mkdir(VOLUME_DIR, 0700) < 0 && errno != EEXIST)
			return err_sys(e, "cannot make %s", VOLUME_DIR);
		if (v->n == VOLUMES_MAX)
			return err_set(e, FCVM_EX_FAIL, "more than %d volumes", VOLUMES_MAX);
		v->relays[v->n] = mount_one(v->n, m, e);
		if (v->relays[v->n] < 0)
			return -1;
		v->n++;
	}
	return 0;
}

int volumes_hand_over(const struct volumes *v, int sock, struct err *e)
{
	int fds[FDS_MAX], r = 0;
	size_t n = 0;

	/* Several a message, because a socket queues few messages. */
	for (size_t i = 0; r == 0 && i < v->n; i++) {
		char path[40];

		path_of(i, path, sizeof path);
		fds[n] = open_tree(AT_FDCWD, path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
		if (fds[n] < 0)
			r = -errno;
		else
			n++;
		if (r == 0 && (n == FDS_MAX || i + 1 == v->n)) {
			r = fds_send(sock, "V", 1, fds, n);
			while (n > 0)
				close(fds[--n]);
		}
	}
	while (n > 0)
		close(fds[--n]);
	/* A process that has failed already closed its end: what it has sent says why. */
	if (r == 0 || r == -EPIPE)
		return 0;
	errno = -r;
	return err_sys(e, "cannot hand over the volumes");
}

/* What was written through a mapping of a file is in the guest's memory only. Another process,
 * because it waits for the servers. */
bool volumes_written(struct volumes *v)
{
	if (v->n == 0 || v->written)
		return true;
	if (v->writer)
		return false;
	v->writer = fork();
	if (v->writer == 0) {
		for (size_t i = 0; i < v->n; i++) {
			char path[40];
			int fd;

			path_of(i, path, sizeof path);
			fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
			if (fd >= 0)
				syncfs(fd);
		}
		_exit(0);
	}
	if (v->writer < 0) /* nothing better can be done */
		v->writer = 0;
	return v->writer == 0;
}

bool volumes_reaped(struct volumes *v, pid_t pid)
{
	if (!v->writer || pid != v->writer)
		return false;
	v->writer = 0;
	v->written = true;
	return true;
}
