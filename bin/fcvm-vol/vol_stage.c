/* SPDX-License-Identifier: MIT
 * The files of an anonymous volume are exchanged for those that a snapshot has, when its machine
 * goes back. Copying can fail, so it is done first, into a directory in the volume that the
 * machine, which stands still, does not see; the exchange is made of renames and can be undone. */
#include "cleanup.h"
#include "vol_server.h"
#include "vs.h"
#include "xio.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PREFIX ".fcvm-rewind"
#define THEN   "then" /* in the staged directory: the files of the snapshot */
#define NOW    "now"  /* and, in the exchange, those of the volume */

static int open_dir(int at, const char *name)
{
	return openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

void stage_drop(int root, char name[VOL_STAGED])
{
	if (*name)
		remove_tree_at(root, name);
	*name = 0;
}

int stage_copy(int dir, int root, char name[VOL_STAGED])
{
	auto_fd int at = -1, to = -1;
	int r;

	stage_drop(root, name);
	r = mkdtemp_at(root, PREFIX, name, VOL_STAGED, 0700);
	if (r < 0) {
		*name = 0;
		return r;
	}
	at = open_dir(root, name);
	if (at < 0 || mkdirat(at, THEN, 0700) < 0 || mkdirat(at, NOW, 0700) < 0)
		r = -errno;
	to = r == 0 ? open_dir(at, THEN) : -1;
	if (r == 0)
		r = to < 0 ? -errno : vol_copy_in(dir, to);
	if (r < 0)
		stage_drop(root, name);
	return r;
}

/* Moves every entry but `keep` (or NULL). What a directory says while it changes is not promised,
 * so it is read until there is nothing left. 0 or -errno. */
static int move_all(int from, int to, const char *keep)
{
	int moved;

	do {
		DIR *d = opendir_at(from, ".");
		struct dirent *x;
		int r = d ? 0 : -errno;

		moved = 0;
		while (r == 0 && (x = readdir(d))) {
			const char *n = x->d_name;

			if (!strcmp(n, ".") || !strcmp(n, "..") || (keep && !strcmp(n, keep)))
				continue;
			r = renameat(from, n, to, n) < 0 ? -errno : 0;
			moved++;
		}
		if (d)
			closedir(d);
		if (r < 0)
			return r;
	} while (moved);
	return 0;
}

static int like(int from, int to)
{
	struct stat st;

	return fstat(from, &st) < 0 || fchownat(to, "", st.st_uid, st.st_gid, AT_EMPTY_PATH) < 0 ||
	                       chmod(vs_fdname(to).s, st.st_mode & 07777) < 0
	               ? -errno
	               : 0;
}

int stage_exchange(int root, char name[VOL_STAGED])
{
	auto_fd int at = open_dir(root, name);
	auto_fd int then = open_dir(at, THEN), now = open_dir(at, NOW);
	auto_fd int top = open_dir(root, ".");
	int r = then < 0 || now < 0 || top < 0 ? -errno : move_all(top, now, name);

	if (r == 0)
		r = move_all(then, top, NULL);
	if (r == 0)
		r = like(then, top);
	if (r < 0 && then >= 0 && now >= 0 && top >= 0) {
		move_all(top, then, name);
		move_all(now, top, NULL);
	}
	stage_drop(root, name);
	return r;
}
