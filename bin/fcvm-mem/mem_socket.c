/* SPDX-License-Identifier: MIT */
#include "mem_socket.h"
#include "cleanup.h"
#include "status.h"
#include "strv.h"

#include <fcntl.h>
#include <libgen.h>
#include <stdbool.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>

#ifndef SO_PEERPIDFD
#define SO_PEERPIDFD 77 /* since Linux 6.5 */
#endif
#define BACKLOG 128

/* The directory is open for flock(2), too. */
static int open_dir(const char *path, char *name, size_t size, struct err *e)
{
	auto_free char *copy = xstrdup(path), *copy2 = xstrdup(path);
	const char *base = basename(copy2);
	int fd;

	if (!*path || path[strlen(path) - 1] == '/' || strlen(base) > 64)
		return err_set(
		        e, FCVM_EX_USAGE, "--socket '%s': it needs a name of 1 to 64 bytes", path);
	snprintf(name, size, "%s", base);
	fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? err_sys(e, "cannot open the folder of %s", path) : fd;
}

/* Whatever the length of the path. */
static void address(struct sockaddr_un *a, int dir, const char *name)
{
	*a = (struct sockaddr_un){.sun_family = AF_UNIX};
	snprintf(a->sun_path, sizeof a->sun_path, "/proc/self/fd/%d/%s", dir, name);
}

static int try_connect(int dir, const char *name)
{
	auto_fd int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_un a;

	address(&a, dir, name);
	if (fd < 0 || connect(fd, (struct sockaddr *)&a, sizeof a) < 0)
		return -errno;
	return steal_fd(&fd);
}

/* What has the name is a socket that nobody listens on. */
static bool is_stale(int dir, const char *name)
{
	struct stat st;
	int fd;

	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISSOCK(st.st_mode))
		return false;
	fd = try_connect(dir, name);
	if (fd >= 0)
		close(fd);
	return fd == -ECONNREFUSED;
}

static int claim(struct mem_socket *s, const char *path, struct err *e)
{
	struct sockaddr_un a;
	struct stat st;
	char fresh[32];
	unsigned id;
	mode_t mask;
	int r;

	if (getrandom(&id, sizeof id, 0) != sizeof id)
		return err_sys(e, "no random number");
	snprintf(fresh, sizeof fresh, ".fcvm-mem.%08x", id);
	address(&a, s->dir, fresh);
	mask = umask(0177);
	r = bind(s->fd, (struct sockaddr *)&a, sizeof a);
	umask(mask);
	if (r < 0 || listen(s->fd, BACKLOG) < 0)
		return err_sys(e, "cannot listen on %s", path);
	r = linkat(s->dir, fresh, s->dir, s->name, 0);
	if (r < 0 && errno == EEXIST && is_stale(s->dir, s->name)) {
		unlinkat(s->dir, s->name, 0);
		r = linkat(s->dir, fresh, s->dir, s->name, 0);
	}
	if (r < 0 && errno == EEXIST)
		err_set(e, FCVM_EX_BUSY,
		        "%s is there already: another server has it, or it is no "
		        "socket",
		        path);
	else if (r < 0 || fstatat(s->dir, fresh, &st, AT_SYMLINK_NOFOLLOW) < 0)
		r = err_sys(e, "cannot make %s", path);
	else
		s->ino = st.st_ino;
	unlinkat(s->dir, fresh, 0);
	return r;
}

int mem_socket_open(struct mem_socket *s, const char *path, struct err *e)
{
	int r;

	*s = (struct mem_socket){.fd = -1};
	s->dir = open_dir(path, s->name, sizeof s->name, e);
	if (s->dir < 0)
		return -1;
	s->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (s->fd < 0)
		return err_sys(e, "cannot make a socket");
	/* One at a time finds a name stale and takes it. */
	if (flock(s->dir, LOCK_EX) < 0)
		return err_sys(e, "cannot lock the folder of %s", path);
	r = claim(s, path, e);
	flock(s->dir, LOCK_UN);
	return r;
}

void mem_socket_unlink(const struct mem_socket *s)
{
	struct stat st;

	if (fstatat(s->dir, s->name, &st, AT_SYMLINK_NOFOLLOW) == 0 && st.st_ino == s->ino)
		unlinkat(s->dir, s->name, 0);
}

int mem_socket_connect(const char *path, struct err *e)
{
	char name[256];
	auto_fd int dir = open_dir(path, name, sizeof name, e);
	int fd;

	if (dir < 0)
		return -1;
	fd = try_connect(dir, name);
	if (fd >= 0)
		return fd;
	errno = -fd;
	if (errno == ENOENT || errno == ECONNREFUSED)
		return err_set(e, FCVM_EX_NOTFOUND, "no server at %s", path);
	return err_sys(e, "cannot connect to %s", path);
}

int mem_socket_peer(int conn, pid_t *pid)
{
	struct ucred peer;
	socklen_t n = sizeof peer;
	int fd;

	if (getsockopt(conn, SOL_SOCKET, SO_PEERCRED, &peer, &n) < 0)
		return -errno;
	*pid = peer.pid;
	n = sizeof fd;
	if (getsockopt(conn, SOL_SOCKET, SO_PEERPIDFD, &fd, &n) < 0)
		fd = (int)syscall(SYS_pidfd_open, peer.pid, 0);
	if (fd < 0)
		return -errno;
	fcntl(fd, F_SETFD, FD_CLOEXEC);
	return fd;
}
