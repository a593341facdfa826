/* SPDX-License-Identifier: MIT */
#include "rundir.h"
#include "rundir_own.h"
#include "cleanup.h"
#include "lock.h"
#include "name.h"
#include "num.h"
#include "status.h"
#include "strv.h"
#include "xio.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

#define RANDOM_TRIES 200

static int fail_sys(struct err *e, const char *what, const char *path)
{
	err_sys(e, "%s %s", what, path);
	if (e)
		e->status = FCVM_EX_FAIL;
	return -1;
}

/* The directory, ours and writable by nobody else, or -1. alone: nor readable. */
static int open_own(const char *path, bool alone, struct err *e)
{
	auto_fd int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return fail_sys(e, "cannot open the run directory", path);
	if (st.st_uid != geteuid())
		return err_set(e, FCVM_EX_FAIL,
		        "the run directory %s belongs to user %u: remove it, or set FCVM_RUN_BASE",
		        path, st.st_uid);
	if (st.st_mode & (alone ? 077 : 022))
		return err_set(e, FCVM_EX_FAIL,
		        "the run directory %s is open to others (mode %03o): run 'chmod 700 %s'",
		        path, st.st_mode & 0777, path);
	return steal_fd(&fd);
}

/* Below /tmp anybody could have made our parent directory first: it must be ours as well. */
static int check_tmp_parent(const char *base, struct err *e)
{
	auto_free char *parent = xasprintf("/tmp/fcvm-%u", (unsigned)geteuid());
	size_t n = strlen(parent);
	auto_fd int fd = -1;

	if (strncmp(base, parent, n) != 0 || base[n] != '/')
		return 0;
	if (mkdir(parent, 0700) < 0 && errno != EEXIST)
		return fail_sys(e, "cannot make", parent);
	fd = open_own(parent, true, e);
	return fd < 0 ? -1 : 0;
}

static int open_base(const char *base, bool create, struct err *e)
{
	int r = check_tmp_parent(base, e);

	if (r < 0)
		return -1;
	r = create ? mkdir_p(base, 0700) : 0;
	if (r < 0) {
		errno = -r;
		return fail_sys(e, "cannot make the run directory", base);
	}
	return open_own(base, false, e);
}

static int lock_base(int base_fd, const char *base, struct err *e)
{
	int fd;

	if (!rundir_base_known(base_fd))
		return err_set(e, FCVM_EX_FAIL,
		        "%s is not empty and not a run directory of fcvm: set FCVM_RUN_BASE to "
		        "another",
		        base);
	fd = lock_file_at(base_fd, ".lock", true, true);
	if (fd < 0) {
		errno = -fd;
		return fail_sys(e, "cannot lock", "the run directory");
	}
	return fd;
}

static int open_lock(int base_fd, const char *name)
{
	auto_free char *path = xasprintf("%s/lock", name);

	return openat(base_fd, path, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
}

/* Under the global lock. pid: of the holder, 0 if it did not say. */
static bool is_alive(int base_fd, const char *name, pid_t *pid)
{
	auto_fd int fd = open_lock(base_fd, name);
	char text[16] = "";
	uint64_t v;
	ssize_t n;

	*pid = 0;
	/* A lock that is there but cannot be opened may well be held. */
	if (fd < 0)
		return errno != ENOENT && errno != ELOOP && errno != ENOTDIR && errno != ENXIO &&
		       errno != EISDIR;
	if (flock(fd, LOCK_SH | LOCK_NB) == 0)
		return false;
	n = pread(fd, text, sizeof text - 1, 0);
	text[n > 0 ? strcspn(text, "\n") : 0] = 0;
	if (num_u64(text, 1, INT_MAX, &v) == 0)
		*pid = (pid_t)v;
	return true;
}

typedef void live_fn(const char *name, pid_t pid, void *ctx);

/* Under the global lock. What cannot be removed stays, and is in nobody's way but its name's. */
static int sweep(int base_fd, live_fn *fn, void *ctx)
{
	DIR *d = opendir_at(base_fd, ".");
	struct dirent *ent;
	pid_t pid;

	if (!d)
		return -1;
	while ((ent = readdir(d))) {
		if (!name_valid(ent->d_name))
			continue;
		if (!is_alive(base_fd, ent->d_name, &pid))
			rundir_remove(base_fd, ent->d_name);
		else if (fn)
			fn(ent->d_name, pid, ctx);
	}
	closedir(d);
	return 0;
}

static int taken(int base_fd, const char *name, struct err *e)
{
	auto_free char *path = NULL, *comm = NULL;
	size_t n = 0;
	pid_t pid;

	if (!is_alive(base_fd, name, &pid))
		return err_set(e, FCVM_EX_FAIL,
		        "the name %s is in use by a directory that is not a VM's, or whose remains "
		        "cannot be "
		        "removed",
		        name);
	path = xasprintf("/proc/%d/comm", (int)pid);
	if (pid == 0 || read_file_at(AT_FDCWD, path, 64, &comm, &n) < 0)
		return err_set(e, FCVM_EX_FAIL,
		        "the name %s is taken by a running VM: choose another with --name", name);
	comm[strcspn(comm, "\n")] = 0;
	return err_set(e, FCVM_EX_FAIL,
	        "the name %s is taken: process %d (%s) holds it: choose another with --name", name,
	        (int)pid, comm);
}

/* Under the global lock: a directory of that name, or of a random one. */
static int make_dir(int base_fd, const char *name, char own[NAME_MAX_LEN + 1], struct err *e)
{
	bool random = !name || !*name;

	for (int i = 0; i < (random ? RANDOM_TRIES : 1); i++) {
		if (random)
			name_random(own, NAME_MAX_LEN + 1);
		else
			snprintf(own, NAME_MAX_LEN + 1, "%s", name);
		if (random && i > RANDOM_TRIES / 2)
			snprintf(own + strlen(own), 8, "_%d", i);
		if (mkdirat(base_fd, own, 0700) == 0)
			return 0;
		if (errno != EEXIST)
			return fail_sys(e, "cannot make the run directory", own);
	}
	return taken(base_fd, own, e);
}

/* The new directory's lock: exclusive for us, and open once more for the janitor. */
static int make_lock(struct rundir *rd, const char *own, struct err *e)
{
	auto_free char *path = xasprintf("%s/lock", own);

	rd->lock_fd = openat(rd->base_fd, path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (rd->lock_fd < 0 || flock(rd->lock_fd, LOCK_EX | LOCK_NB) < 0 ||
	        dprintf(rd->lock_fd, "%d\n", (int)getpid()) < 0)
		return fail_sys(e, "cannot lock the run directory", own);
	rd->watch_fd = open_lock(rd->base_fd, own);
	if (rd->watch_fd < 0)
		return fail_sys(e, "cannot open the lock of", own);
	return 0;
}

int rundir_reserve(const char *base, const char *name, struct rundir *rd, struct err *e)
{
	auto_fd int global = -1;
	char own[NAME_MAX_LEN + 1], real[PATH_MAX];

	*rd = (struct rundir)RUNDIR_NONE;
	if (name && *name && !name_valid(name))
		return err_set(e, FCVM_EX_FAIL, "%s: %s", name, NAME_RULE);
	rd->base_fd = open_base(base, true, e);
	if (rd->base_fd < 0)
		return -1;
	if (!realpath(base, real))
		return fail_sys(e, "cannot resolve", base);
	global = lock_base(rd->base_fd, base, e);
	if (global < 0)
		return -1;
	sweep(rd->base_fd, NULL, NULL);
	if (make_dir(rd->base_fd, name, own, e) < 0)
		return -1;
	rd->dir = xasprintf("%s/%s", real, own);
	rd->name = strrchr(rd->dir, '/') + 1;
	if (make_lock(rd, own, e) < 0) {
		rundir_remove(rd->base_fd, own);
		return -1;
	}
	return 0;
}

void rundir_free(struct rundir *rd)
{
	free(rd->dir);
	if (rd->lock_fd >= 0)
		close(rd->lock_fd);
	if (rd->watch_fd >= 0)
		close(rd->watch_fd);
	if (rd->base_fd >= 0)
		close(rd->base_fd);
	*rd = (struct rundir)RUNDIR_NONE;
}

int rundir_inherit(struct rundir *rd, struct err *e)
{
	/* Meant to survive exec: it is what keeps the VM alive. */
	int fd = fcntl(rd->lock_fd, F_DUPFD, INHERITED_FD_MIN);

	if (fd < 0)
		return fail_sys(e, "cannot keep the lock of", rd->dir);
	close(rd->lock_fd);
	rd->lock_fd = fd;
	return fd;
}

int rundir_release(int lock_fd, struct err *e)
{
	char path[PATH_MAX], *name;
	auto_fd int base_fd = -1, global = -1;

	if (rundir_path(lock_fd, path, sizeof path) < 0)
		return 0; /* removed already */
	name = strrchr(path, '/');
	*name++ = 0;
	base_fd = open_base(path, false, e);
	global = base_fd < 0 ? -1 : lock_base(base_fd, path, e);
	if (global < 0)
		return -1;
	if (!rundir_remove_own(base_fd, lock_fd))
		return fail_sys(e, "cannot remove the run directory", name);
	return 0;
}

int rundir_rename(const char *base, const char *name, const char *new_name, struct err *e)
{
	auto_fd int base_fd = -1, global = -1;
	pid_t pid;

	if (!name_valid(name) || !name_valid(new_name))
		return err_set(
		        e, FCVM_EX_FAIL, "%s: %s", name_valid(name) ? new_name : name, NAME_RULE);
	base_fd = open_base(base, false, e);
	global = base_fd < 0 ? -1 : lock_base(base_fd, base, e);
	if (global < 0)
		return -1;
	if (!is_alive(base_fd, name, &pid))
		return err_set(e, FCVM_EX_NOTFOUND, "no VM named '%s' is running", name);
	if (renameat2(base_fd, name, base_fd, new_name, RENAME_NOREPLACE) == 0)
		return 0;
	return errno == EEXIST ? taken(base_fd, new_name, e) : fail_sys(e, "cannot rename", name);
}

int rundir_list(const char *base, live_fn *fn, void *ctx, struct err *e)
{
	auto_fd int base_fd = -1, global = -1;
	struct stat st;

	if (lstat(base, &st) < 0 && errno == ENOENT)
		return 0;
	base_fd = open_base(base, false, e);
	global = base_fd < 0 ? -1 : lock_base(base_fd, base, e);
	if (global < 0)
		return -1;
	if (sweep(base_fd, fn, ctx) < 0)
		return fail_sys(e, "cannot read", base);
	return 0;
}

int rundir_sweep(const char *base, struct err *e)
{
	return rundir_list(base, NULL, NULL, e);
}
