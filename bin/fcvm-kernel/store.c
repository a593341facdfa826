/* SPDX-License-Identifier: MIT */
#include "store.h"
#include "cleanup.h"
#include "dirs.h"
#include "lock.h"
#include "status.h"
#include "strv.h"
#include "xio.h"

#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#define TMP  ".tmp"
#define LOCK ".lock"

int kernel_store_open(const char *sub, struct kernel_store *s, struct err *e)
{
	auto_free char *data = dirs_data();
	int r;

	*s = (struct kernel_store)KERNEL_STORE_CLOSED;
	s->path = xasprintf("%s/%s", data, sub);
	r = mkdir_p(s->path, 0755);
	if (r < 0) {
		errno = -r;
		return err_sys(e, "cannot make %s", s->path);
	}
	s->dirfd = open(s->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return s->dirfd < 0 ? err_sys(e, "cannot open %s", s->path) : 0;
}

static void shut(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

void kernel_store_close(struct kernel_store *s)
{
	if (s->tmp[0])
		remove_tree_at(s->dirfd, s->tmp);
	s->tmp[0] = 0;
	shut(&s->tmpfd);
	shut(&s->lock);
	shut(&s->dirfd);
	free(s->path);
	s->path = NULL;
}

bool kernel_store_is_key(const char *name)
{
	return strlen(name) == SHA256_HEX - 1 && strspn(name, "0123456789abcdef") == SHA256_HEX - 1;
}

bool kernel_store_has(const struct kernel_store *s, const char *key)
{
	struct stat st;

	return fstatat(s->dirfd, key, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode);
}

/* The lock is held, so nobody works in any of these. */
static void sweep(const struct kernel_store *s)
{
	DIR *d = opendir_at(s->dirfd, ".");
	struct dirent *ent;

	while (d && (ent = readdir(d)))
		if (!strncmp(ent->d_name, TMP ".", sizeof TMP))
			remove_tree_at(s->dirfd, ent->d_name);
	if (d)
		closedir(d);
}

int kernel_store_begin(struct kernel_store *s, const char *key, struct err *e)
{
	int r;

	if (kernel_store_has(s, key))
		return 1;
	s->lock = lock_file_at(s->dirfd, LOCK, true, true);
	if (s->lock < 0) {
		errno = -s->lock;
		s->lock = -1;
		return err_sys(e, "cannot lock %s/%s", s->path, LOCK);
	}
	if (kernel_store_has(s, key)) {
		shut(&s->lock);
		return 1;
	}
	sweep(s);
	r = mkdtemp_at(s->dirfd, TMP, s->tmp, sizeof s->tmp, 0755);
	if (r == 0)
		s->tmpfd = openat(s->dirfd, s->tmp, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (r < 0 || s->tmpfd < 0) {
		errno = r < 0 ? -r : errno;
		return err_sys(e, "cannot make a directory in %s", s->path);
	}
	s->key = key;
	return 0;
}

int kernel_store_put(
        struct kernel_store *s, const char *name, const void *data, size_t n, struct err *e)
{
	int r = write_file_at(s->tmpfd, name, data, n, 0644);

	if (r == 0)
		return 0;
	errno = -r;
	return err_sys(e, "cannot write %s in %s", name, s->path);
}

int kernel_store_commit(struct kernel_store *s, struct err *e)
{
	if (fsync(s->tmpfd) < 0 || renameat(s->dirfd, s->tmp, s->dirfd, s->key) < 0 ||
	        fsync(s->dirfd) < 0)
		return err_sys(e, "cannot finish %s/%s", s->path, s->key);
	s->tmp[0] = 0;
	shut(&s->tmpfd);
	shut(&s->lock);
	return 0;
}

int kernel_store_drop(struct kernel_store *s, const char *key, struct err *e)
{
	int r;

	s->lock = lock_file_at(s->dirfd, LOCK, true, true);
	if (s->lock < 0) {
		errno = -s->lock;
		s->lock = -1;
		return err_sys(e, "cannot lock %s/%s", s->path, LOCK);
	}
	sweep(s);
	r = mkdtemp_at(s->dirfd, TMP, s->tmp, sizeof s->tmp, 0755);
	if (r < 0) {
		errno = -r;
		return err_sys(e, "cannot make a directory in %s", s->path);
	}
	/* over the empty directory, in one step; what is killed now is swept by the next */
	if (renameat(s->dirfd, key, s->dirfd, s->tmp) < 0)
		return err_sys(e, "cannot remove %s/%s", s->path, key);
	r = remove_tree_at(s->dirfd, s->tmp);
	s->tmp[0] = 0;
	shut(&s->lock);
	if (r < 0) {
		errno = -r;
		return err_sys(e, "cannot remove all of %s/%s", s->path, key);
	}
	return 0;
}
