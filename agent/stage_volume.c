/* SPDX-License-Identifier: MIT
 * A volume's way into the container: a copy of the agent's mount, put in its place. */
#include "cleanup.h"
#include "copy_tree.h"
#include "fds.h"
#include "status.h"
#include "strv.h"
#include "volume.h"
#include "xio.h"

#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>

int stage_volumes_take(int sock, const json_t *plan, int fds[VOLUMES_MAX], size_t *n, struct err *e)
{
	size_t i, want = 0;
	const json_t *m;

	json_array_foreach(json_object_get(plan, "mounts"), i, m) want += volume_is(m);
	if (want > VOLUMES_MAX)
		return err_set(e, FCVM_EX_FAIL, "more than %d volumes", VOLUMES_MAX);
	for (*n = 0; *n < want;) {
		int some[FDS_MAX];
		size_t k;
		char byte;
		ssize_t r = fds_receive(sock, &byte, 1, some, &k, 0);

		if (r != 1 || k == 0 || k > want - *n)
			return err_set(e, FCVM_EX_FAIL, "the agent did not hand over the volumes");
		memcpy(fds + *n, some, k * sizeof *some);
		*n += k;
	}
	return 0;
}

static uint64_t attributes(const json_t *options)
{
	static const struct {
		const char *name;
		uint64_t attr;
	} known[] = {{"ro", MOUNT_ATTR_RDONLY}, {"nosuid", MOUNT_ATTR_NOSUID},
	        {"nodev", MOUNT_ATTR_NODEV}, {"noexec", MOUNT_ATTR_NOEXEC},
	        {"noatime", MOUNT_ATTR_NOATIME}};
	uint64_t set = 0;
	const json_t *o;
	size_t i;

	json_array_foreach(options, i, o) for (size_t k = 0; k < sizeof known / sizeof *known; k++)
	{
		if (json_is_string(o) && !strcmp(json_string_value(o), known[k].name))
			set |= known[k].attr;
	}
	return set;
}

/* What is mounted on: made if it is not there, like podman does. */
static int make_place(const char *at, bool file, struct err *e)
{
	auto_free char *dir = xstrdup(at);
	auto_fd int fd = -1;
	int r;

	if (file)
		*strrchr(dir, '/') = 0;
	r = *dir ? mkdir_p(dir, 0755) : 0;
	if (r == 0 && file) {
		fd = open(at, O_RDONLY | O_CREAT | O_NONBLOCK | O_CLOEXEC, 0644);
		r = fd < 0 ? -errno : 0;
	}
	if (r == 0)
		return 0;
	errno = -r;
	return err_sys(e, "cannot make %s in the container", at);
}

static bool is_empty(int fd)
{
	DIR *d = opendir_at(fd, ".");
	const struct dirent *ent;
	size_t n = 0;

	while (d && (ent = readdir(d)))
		n += strcmp(ent->d_name, ".") != 0 && strcmp(ent->d_name, "..") != 0;
	if (d)
		closedir(d);
	return d && n == 0;
}

/* A volume that was never used begins as what the image has in its place, its owner and mode
 * included. */
static int copy_up(int from, const char *at, struct err *e)
{
	struct stat st;

	if (fstat(from, &st) < 0 || chown(at, st.st_uid, st.st_gid) < 0 ||
	        chmod(at, st.st_mode & 07777) < 0)
		return err_sys(e, "cannot give the volume at %s its owner", at);
	return copy_tree(from, at, e);
}

int stage_volume(const json_t *m, int volume, struct err *e)
{
	const char *at = json_string_value(json_object_get(m, "destination"));
	struct mount_attr attr = {.attr_set = attributes(json_object_get(m, "options"))};
	bool file = json_is_true(json_object_get(m, "file"));
	auto_fd int fd = volume, old = -1;
	struct stat st;
	bool copy;

	if (fd < 0 || !at || *at != '/')
		return err_set(e, FCVM_EX_FAIL, "the plan has a volume without a destination");
	if (make_place(at, file, e) < 0)
		return -1;
	if (fstat(fd, &st) < 0) /* the first question to the server */
		return err_sys(e, "cannot mount the volume at %s", at);
	copy = json_is_true(json_object_get(m, "copyUp")) && !file && is_empty(fd);
	if (copy)
		old = open(at, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if ((copy && old < 0) || move_mount(fd, "", AT_FDCWD, at,
	                                 MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_SYMLINKS) < 0)
		return err_sys(e, "cannot mount the volume at %s", at);
	if (copy && copy_up(old, at, e) < 0)
		return -1;
	if (attr.attr_set && mount_setattr(fd, "", AT_EMPTY_PATH, &attr, sizeof attr) < 0)
		return err_sys(e, "cannot set the mount options of %s", at);
	return 0;
}
