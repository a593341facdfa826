/* SPDX-License-Identifier: MIT
 * An anonymous volume belongs to its machine as a disk does: a snapshot has a copy of it, and each
 * clone a copy of that. The server makes them, because it may give files to the ids of the
 * container. */
#include "cleanup.h"
#include "copy_tree.h"
#include "vol_server.h"
#include "vs.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#define DATA "data" /* a directory in the caller's, because its owner may be any */

static int copy(int from, int to)
{
	struct stat st;
	int r;

	if (from < 0 || to < 0 || fstat(from, &st) < 0)
		return -errno;
	r = copy_tree_at(from, to);
	if (r < 0)
		return r;
	if (fchownat(to, "", st.st_uid, st.st_gid, AT_EMPTY_PATH) < 0 ||
	        chmod(vs_fdname(to).s, st.st_mode & 07777) < 0)
		return -errno;
	return 0;
}

int vol_copy_out(int root, int dir)
{
	auto_fd int from = openat(root, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	auto_fd int to = -1;

	if (mkdirat(dir, DATA, 0700) < 0)
		return -errno;
	to = openat(dir, DATA, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return copy(from, to);
}

int vol_copy_in(int dir, int root)
{
	auto_fd int from = openat(dir, DATA, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	auto_fd int to = openat(root, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return copy(from, to);
}
