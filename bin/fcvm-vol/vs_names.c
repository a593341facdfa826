/* SPDX-License-Identifier: MIT
 * Names: made, removed, moved. New files are made with the caller's ids as those of the thread, so
 * that they never belong to anybody else; the guest's kernel has checked what the caller may do,
 * and the server keeps the rights that this takes (see confine.h). */
#include "vs.h"
#include "cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/fsuid.h>
#include <sys/inotify.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

static int take_ids(const struct vs_req *r)
{
	const struct vs *s = r->s;

	if (r->h->gid != s->gid) {
		setfsgid(r->h->gid);
		if ((gid_t)setfsgid((gid_t)-1) != r->h->gid)
			return -EPERM; /* the user namespace does not know it */
	}
	if (r->h->uid != s->uid) {
		setfsuid(r->h->uid);
		if ((uid_t)setfsuid((uid_t)-1) != r->h->uid)
			return -EPERM;
	}
	return 0;
}

static void give_ids_back(const struct vs_req *r)
{
	if (r->h->uid != r->s->uid)
		setfsuid(r->s->uid);
	if (r->h->gid != r->s->gid)
		setfsgid(r->s->gid);
}

struct maker {
	int (*fn)(int dir, const char *name, const void *in);
	const void *in;
	mode_t umask;
};

/* The host's kernel applies the umask, because it may have to leave that to a default ACL. */
static int make_as_caller(struct vs_req *r, int dir, const struct maker *m)
{
	struct vs_own *o = vs_own_begin(r->s, r->node, r->name, IN_CREATE);
	int result = take_ids(r);

	if (result == 0) {
		umask(m->umask & 0777);
		result = m->fn(dir, r->name, m->in);
		if (result < 0)
			result = -errno;
	}
	give_ids_back(r);
	vs_own_end(r->s, r->node, o, result >= 0);
	return result;
}

static int make(struct vs_req *r, const struct maker *m)
{
	int dir = vs_node_fd(&r->s->nodes, r->node), result;
	struct vs_node *n;
	struct stat st;

	if (dir < 0)
		return dir;
	vs_mark(r, r->node);
	result = make_as_caller(r, dir, m);
	if (result == 0)
		result = vs_find(r->s, r->node, r->name, &n, &st);
	return result < 0 ? result : vs_entry(r, n, &st);
}

/* The kernel's form of a device number, see vs_fill_attr(). */
static dev_t device(uint32_t dev)
{
	return makedev((dev & 0xfff00) >> 8, (dev & 0xff) | ((dev >> 12) & 0xfff00));
}

static int do_mknod(int dir, const char *name, const void *arg)
{
	const struct fuse_mknod_in *in = arg;

	return mknodat(dir, name, in->mode, device(in->rdev));
}

int vs_mknod(struct vs_req *r)
{
	const struct fuse_mknod_in *in = (const void *)r->arg;

	return make(r, &(struct maker){do_mknod, in, in->umask});
}

static int do_mkdir(int dir, const char *name, const void *arg)
{
	return mkdirat(dir, name, ((const struct fuse_mkdir_in *)arg)->mode);
}

int vs_mkdir(struct vs_req *r)
{
	const struct fuse_mkdir_in *in = (const void *)r->arg;

	return make(r, &(struct maker){do_mkdir, in, in->umask});
}

static int do_symlink(int dir, const char *name, const void *target)
{
	return symlinkat(target, dir, name);
}

int vs_symlink(struct vs_req *r)
{
	return make(r, &(struct maker){do_symlink, r->name2, 0});
}

int vs_readlink(struct vs_req *r)
{
	int fd = vs_node_fd(&r->s->nodes, r->node);
	ssize_t n;

	if (fd < 0)
		return fd;
	n = readlinkat(fd, "", r->body, PATH_MAX);
	if (n < 0)
		return errno == ENOENT ? -EINVAL : -errno; /* no symbolic link */
	return n < PATH_MAX ? (int)n : -ENAMETOOLONG;
}

int vs_link(struct vs_req *r)
{
	const struct fuse_link_in *in = (const void *)r->arg;
	struct vs_node *old = vs_node_get(&r->s->nodes, in->oldnodeid), *n;
	int dir = vs_node_fd(&r->s->nodes, r->node), result, fd;
	struct vs_own *o;
	struct stat st;

	if (!old)
		return -ENOENT;
	fd = vs_node_fd(&r->s->nodes, old);
	result = dir < 0 ? dir : fd < 0 ? fd : 0;
	vs_mark(r, r->node);
	if (result == 0) {
		o = vs_own_begin(r->s, r->node, r->name, IN_CREATE);
		atomic_fetch_add(&old->writing, 1);
		if (linkat(AT_FDCWD, vs_fdname(fd).s, dir, r->name, AT_SYMLINK_FOLLOW) < 0)
			/* A file without a name cannot have a second. */
			result = -errno;
		vs_own_end(r->s, r->node, o, result == 0);
		vs_restamp(r->s, old, fd);
		atomic_fetch_sub(&old->writing, 1);
	}
	vs_node_put(&r->s->nodes, old);
	if (result == 0)
		result = vs_find(r->s, r->node, r->name, &n, &st);
	return result < 0 ? result : vs_entry(r, n, &st);
}

static int remove_name(struct vs_req *r, int flags)
{
	int dir = vs_node_fd(&r->s->nodes, r->node), result = 0;
	struct vs_own *o;

	if (dir < 0)
		return dir;
	o = vs_own_begin(r->s, r->node, r->name, IN_DELETE);
	if (unlinkat(dir, r->name, flags) < 0)
		result = -errno;
	vs_own_end(r->s, r->node, o, result == 0);
	return result;
}

int vs_unlink(struct vs_req *r)
{
	return remove_name(r, 0);
}

int vs_rmdir(struct vs_req *r)
{
	return remove_name(r, AT_REMOVEDIR);
}

/* Where a node is to be found, and known to the guest, from now on. */
static void moved(struct vs_req *r, const struct vs_node *dir, int fd, const char *name)
{
	struct vs_node *n;
	struct stat st;

	if (fstatat(fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
	        !(n = vs_node_find(&r->s->nodes, st.st_dev, st.st_ino)))
		return;
	vs_node_place(&r->s->nodes, n, dir->id, name, atomic_fetch_add(&r->s->told, 1) + 1);
	vs_node_put(&r->s->nodes, n);
}

/* An exchange is two moves, as who watches sees it. */
static int move(struct vs_req *r, struct vs_node *to, unsigned flags)
{
	int from_fd = vs_node_fd(&r->s->nodes, r->node), to_fd, result = 0;
	uint32_t both = flags & RENAME_EXCHANGE ? IN_MOVED_FROM | IN_MOVED_TO : 0;
	struct vs_own *a, *b;

	if (from_fd < 0)
		return from_fd;
	to_fd = vs_node_fd(&r->s->nodes, to);
	if (to_fd < 0)
		return to_fd;
	a = vs_own_begin(r->s, r->node, r->name, IN_MOVED_FROM | both);
	b = vs_own_begin(r->s, to, r->name2, IN_MOVED_TO | both);
	if (flags == 0)
		result = renameat(from_fd, r->name, to_fd, r->name2);
	else
		result = (int)syscall(SYS_renameat2, from_fd, r->name, to_fd, r->name2, flags);
	if (result < 0)
		result = -errno;
	vs_own_end(r->s, r->node, a, result == 0);
	vs_own_end(r->s, to, b, result == 0);
	if (result == 0)
		moved(r, to, to_fd, r->name2);
	if (result == 0 && flags & RENAME_EXCHANGE)
		moved(r, r->node, from_fd, r->name);
	return result;
}

static int move_to(struct vs_req *r, uint64_t dir, unsigned flags)
{
	struct vs_node *to = vs_node_get(&r->s->nodes, dir);
	int result = to ? move(r, to, flags) : -ENOENT;

	vs_node_put(&r->s->nodes, to);
	return result;
}

int vs_rename(struct vs_req *r)
{
	return move_to(r, ((const struct fuse_rename_in *)(const void *)r->arg)->newdir, 0);
}

int vs_rename2(struct vs_req *r)
{
	const struct fuse_rename2_in *in = (const void *)r->arg;

	if (in->flags & ~(unsigned)(RENAME_NOREPLACE | RENAME_EXCHANGE | RENAME_WHITEOUT))
		return -EINVAL;
	return move_to(r, in->newdir, in->flags);
}

/* --- open with O_CREAT ----------------------------------------------------------------------- */

struct creation {
	int flags;
	mode_t mode;
};

static int do_create(int dir, const char *name, const void *arg)
{
	const struct creation *c = arg;

	return openat(dir, name, c->flags, c->mode);
}

/* The node of an open file: no look at the name, which may be another's by now. */
static int node_of_open(struct vs_req *r, int fd, struct vs_node **n, struct stat *st)
{
	int path = open(vs_fdname(fd).s, O_PATH | O_CLOEXEC);

	if (path < 0)
		return -errno;
	if (fstat(path, st) < 0) {
		close(path);
		return -EIO;
	}
	*n = vs_node_of(&r->s->nodes, path, st, r->node->id, r->name, 1);
	if (!*n)
		return -ENOMEM;
	(*n)->told = atomic_fetch_add(&r->s->told, 1) + 1;
	vs_restamp(r->s, *n, fd);
	return 0;
}

static int open_existing(struct vs_req *r, int flags, struct vs_node **n, struct stat *st)
{
	int result = vs_find(r->s, r->node, r->name, n, st), fd;

	if (result < 0)
		return result;
	fd = S_ISLNK(st->st_mode) ? -ELOOP : vs_reopen(r->s, *n, flags);
	if (fd >= 0 && flags & O_TRUNC && fstat(fd, st) == 0)
		vs_restamp(r->s, *n, fd);
	if (fd < 0) {
		vs_node_forget(&r->s->nodes, (*n)->id, 1);
		vs_node_put(&r->s->nodes, *n);
	}
	return fd;
}

static int open_new(struct vs_req *r, int flags, struct vs_node **n, struct stat *st)
{
	const struct fuse_create_in *in = (const void *)r->arg;
	int dir = vs_node_fd(&r->s->nodes, r->node), result;
	struct creation c = {
	        (flags & ~O_TRUNC) | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, in->mode & 07777};
	auto_fd int fd = -1;

	if (dir < 0)
		return dir;
	do
		fd = make_as_caller(r, dir, &(struct maker){do_create, &c, in->umask});
	while (fd == -EMFILE && vs_nodes_shrink(&r->s->nodes));
	if (fd < 0)
		return fd;
	result = node_of_open(r, fd, n, st);
	return result < 0 ? result : steal_fd(&fd);
}

int vs_create(struct vs_req *r)
{
	const struct fuse_create_in *in = (const void *)r->arg;
	struct fuse_open_out *opened =
	        (struct fuse_open_out *)(r->body + sizeof(struct fuse_entry_out));
	int flags = (int)in->flags & (O_ACCMODE | O_APPEND | O_TRUNC | O_SYNC | O_DSYNC);
	struct vs_node *n;
	struct stat st;
	uint64_t fh;
	int fd, result;

	vs_mark(r, r->node);
	fd = open_new(r, flags, &n, &st);
	if (fd == -EEXIST && !(in->flags & O_EXCL))
		fd = open_existing(r, flags, &n, &st);
	if (fd < 0)
		return fd;
	result = vs_handle_new(&r->s->handles, n->id, fd, flags, false, &fh);
	if (result < 0) {
		vs_node_forget(&r->s->nodes, n->id, 1);
		vs_node_put(&r->s->nodes, n);
		return result;
	}
	*opened = (struct fuse_open_out){.fh = fh,
	        .open_flags = r->s->cache == VS_CACHE_NONE ? FOPEN_DIRECT_IO : FOPEN_KEEP_CACHE};
	return vs_entry(r, n, &st) + (int)sizeof *opened;
}
