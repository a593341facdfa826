/* SPDX-License-Identifier: MIT */
#include "store.h"
#include "cleanup.h"
#include "lock.h"
#include "status.h"
#include "xio.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

/* The lock "tmp-all" is held while a directory in tmp has no lock of its own yet, and while a
 * sweeper chooses: so a sweeper never takes a directory that was only just made. */
int store_tmp_make(struct store *s, struct store_tmp *t, struct err *e)
{
	auto_fd int all = store_lock(s, "tmp", "all", true, e);
	int r;

	*t = (struct store_tmp){.dirfd = -1, .lock = -1};
	if (all < 0)
		return -1;
	r = mkdtemp_at(s->tmp, "pull", t->name, sizeof t->name, 0700);
	if (r == 0) {
		t->dirfd = openat(s->tmp, t->name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		r = t->lock = t->dirfd < 0 ? -errno : lock_file_at(t->dirfd, "lock", true, false);
	}
	if (r < 0) {
		errno = -r;
		return err_sys(e, "cannot make a directory in %s/tmp", s->path);
	}
	t->path = xasprintf("%s/tmp/%s", s->path, t->name);
	return 0;
}

void store_tmp_drop(struct store *s, struct store_tmp *t)
{
	if (t->path)
		remove_tree_at(s->tmp, t->name);
	if (t->dirfd >= 0)
		close(t->dirfd);
	if (t->lock >= 0)
		close(t->lock);
	free(t->path);
	*t = (struct store_tmp){.dirfd = -1, .lock = -1};
}

struct dead {
	char name[256];
	int lock;
};

/* The directories whose lock can be had; the locks stay held, so that each has one sweeper. */
static size_t choose(struct store *s, struct dead *list, size_t max)
{
	DIR *d = opendir_at(s->tmp, ".");
	struct dirent *ent;
	size_t n = 0;

	while (d && n < max && (ent = readdir(d))) {
		auto_free char *file = xasprintf("%s/lock", ent->d_name);

		if (ent->d_name[0] == '.')
			continue;
		list[n].lock = lock_file_at(s->tmp, file, true, false);
		if (list[n].lock < 0 && list[n].lock != -ENOTDIR)
			continue;
		snprintf(list[n++].name, sizeof list->name, "%s", ent->d_name);
	}
	if (d)
		closedir(d);
	return n;
}

int store_sweep(struct store *s, struct err *e)
{
	auto_fd int all = store_lock(s, "tmp", "all", true, e);
	struct dead list[64];
	size_t n;
	int r = 0;

	if (all < 0)
		return -1;
	n = choose(s, list, sizeof list / sizeof *list);
	close(steal_fd(&all));
	for (size_t i = 0; i < n; i++) {
		int bad = remove_tree_at(s->tmp, list[i].name);

		if (bad < 0) {
			errno = -bad;
			r = err_sys(e, "cannot remove %s/tmp/%s", s->path, list[i].name);
		}
		if (list[i].lock >= 0)
			close(list[i].lock);
	}
	return r < 0 ? r : (int)n;
}

static int sync_dir(int dirfd, const char *name)
{
	auto_fd int fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return fd < 0 || fsync(fd) < 0 ? -1 : 0;
}

int store_commit(struct store *s, struct store_tmp *t, const char *id, struct err *e)
{
	if (sync_dir(t->dirfd, "img") < 0)
		return err_sys(e, "cannot sync the image");
	/* over a damaged image: exchanged, so that there is one at every moment */
	if (renameat(t->dirfd, "img", s->images, id) < 0 &&
	        (!(errno == EEXIST || errno == ENOTEMPTY) ||
	                renameat2(t->dirfd, "img", s->images, id, RENAME_EXCHANGE) < 0))
		return err_sys(e, "cannot put the image into %s/images", s->path);
	if (fsync(s->images) < 0)
		return err_sys(e, "cannot sync %s/images", s->path);
	return 0;
}

/* With the image's lock held: no pull is about to record a reference to it. */
static int remove_locked(struct store *s, const char *id, struct err *e)
{
	auto_free char *lock_name = xasprintf("%s/lock", id);
	auto_fd int use = -1;
	struct store_tmp t;
	int r = 1;

	if (faccessat(s->images, id, F_OK, 0) < 0 && errno == ENOENT)
		return 1;
	use = lock_file_at(s->images, lock_name, true, false);
	if (use == -EWOULDBLOCK)
		return err_set(e, FCVM_EX_BUSY, "image %.12s is in use by a running VM", id);
	if (use < 0) {
		errno = -use;
		return err_sys(e, "cannot lock %s/images/%s", s->path, id);
	}
	if (store_tmp_make(s, &t, e) < 0)
		return -1;
	if (renameat(s->images, id, t.dirfd, "img") < 0)
		r = err_sys(e, "cannot remove %s/images/%s", s->path, id);
	store_tmp_drop(s, &t);
	return r;
}

int store_image_remove(struct store *s, const char *id, bool unwanted, struct err *e)
{
	auto_fd int lock = store_lock(s, "image", id, true, e);
	int n;

	if (lock < 0)
		return -1;
	n = unwanted ? store_refs_to(s, id, false, e) : 0;
	if (n)
		return n < 0 ? -1 : 0;
	if (remove_locked(s, id, e) < 0)
		return -1;
	return store_refs_to(s, id, true, e) < 0 ? -1 : 1;
}
