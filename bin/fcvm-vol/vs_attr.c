/* SPDX-License-Identifier: MIT
 * Changes of attributes. */
#include "vs.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/statvfs.h>
#include <unistd.h>

int vs_kill_suid(const struct vs_req *r, int fd)
{
	struct stat st;
	mode_t mode;

	if (fstat(fd, &st) < 0)
		return -errno;
	mode = st.st_mode & 07777;
	if (!S_ISREG(st.st_mode))
		return 0;
	if (mode & S_ISUID)
		mode &= ~(mode_t)S_ISUID;
	/* Without the group's x it once meant mandatory locking, which members may keep. */
	if (mode & S_IXGRP || (r->h->gid != st.st_gid && r->h->uid != 0))
		mode &= ~(mode_t)S_ISGID;
	if (mode == (st.st_mode & 07777))
		return 0;
	return chmod(vs_fdname(fd).s, mode) < 0 ? -errno : 0;
}

static int change_owner(int fd, const struct fuse_setattr_in *in)
{
	uid_t uid = in->valid & FATTR_UID ? in->uid : (uid_t)-1;
	gid_t gid = in->valid & FATTR_GID ? in->gid : (gid_t)-1;

	if (fchownat(fd, "", uid, gid, AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW) == 0)
		return 0;
	/* An id that the user namespace does not know. */
	return errno == EINVAL ? -EPERM : -errno;
}

static int change_size(int fd, const struct vs_handle *h, const struct fuse_setattr_in *in)
{
	if (in->size > INT64_MAX)
		return -EINVAL;
	if (h && (h->flags & O_ACCMODE) != O_RDONLY)
		return ftruncate(h->fd, (off_t)in->size) < 0 ? -errno : 0;
	return truncate(vs_fdname(fd).s, (off_t)in->size) < 0 ? -errno : 0;
}

static struct timespec stamp(
        uint32_t valid, uint32_t set, uint32_t now, uint64_t seconds, uint32_t nanoseconds)
{
	if (valid & now)
		return (struct timespec){.tv_nsec = UTIME_NOW};
	if (!(valid & set))
		return (struct timespec){.tv_nsec = UTIME_OMIT};
	return (struct timespec){(time_t)seconds, nanoseconds < 1000000000 ? nanoseconds : 0};
}

static int change_times(int fd, const struct fuse_setattr_in *in)
{
	const struct timespec times[2] = {
	        stamp(in->valid, FATTR_ATIME, FATTR_ATIME_NOW, in->atime, in->atimensec),
	        stamp(in->valid, FATTR_MTIME, FATTR_MTIME_NOW, in->mtime, in->mtimensec)};

	return utimensat(AT_FDCWD, vs_fdname(fd).s, times, 0) < 0 ? -errno : 0;
}

/* The owner first, because its change clears bits of the mode, and the times last, because
 * everything else changes them. */
static int change(const struct vs_req *r, int fd, const struct vs_handle *h)
{
	const struct fuse_setattr_in *in = (const void *)r->arg;
	mode_t type = r->node->type;
	int result = 0;

	if (in->valid & (FATTR_UID | FATTR_GID))
		result = change_owner(fd, in);
	if (result == 0 && in->valid & FATTR_MODE && type != S_IFLNK &&
	        chmod(vs_fdname(fd).s, in->mode & 07777) < 0)
		result = -errno;
	if (result == 0 && in->valid & FATTR_SIZE)
		result = type == S_IFREG ? change_size(fd, h, in) : -EINVAL;
	if (result == 0 && in->valid & FATTR_SIZE && in->valid & FATTR_KILL_SUIDGID)
		result = vs_kill_suid(r, fd);
	if (result == 0 &&
	        in->valid & (FATTR_ATIME | FATTR_MTIME | FATTR_ATIME_NOW | FATTR_MTIME_NOW))
		result = change_times(fd, in);
	return result;
}

int vs_setattr(struct vs_req *r)
{
	const struct fuse_setattr_in *in = (const void *)r->arg;
	struct fuse_attr_out *out = (struct fuse_attr_out *)r->body;
	struct vs_handle *h = in->valid & FATTR_FH
	                              ? vs_handle_get(&r->s->handles, in->fh, r->h->nodeid, false)
	                              : NULL;
	int fd = h ? h->fd : vs_node_fd(&r->s->nodes, r->node), result = fd;
	struct stat st;

	/* Whoever can no longer write to a file cannot truncate it either. */
	if (in->valid & FATTR_FH && !h && vs_handle_error(&r->s->handles, in->fh) != -EBADF)
		return vs_handle_error(&r->s->handles, in->fh);
	vs_mark(r, r->node);
	atomic_fetch_add(&r->node->writing, 1);
	if (fd >= 0)
		result = change(r, fd, h);
	if (result == 0 && fstat(fd, &st) < 0)
		result = -errno;
	if (result == 0)
		vs_stamp(r->s, r->node, &st);
	else if (fd >= 0)
		vs_restamp(r->s, r->node, fd); /* half of it may have been done */
	atomic_fetch_sub(&r->node->writing, 1);
	vs_handle_put(&r->s->handles, h);
	if (result < 0)
		return result;
	*out = (struct fuse_attr_out){.attr_valid = vs_attr_valid(r->s, r->node, &st)};
	vs_fill_attr(r->s, &st, &out->attr);
	r->valid = VS_ATTR;
	return sizeof *out;
}

int vs_statfs(struct vs_req *r)
{
	struct fuse_statfs_out *out = (struct fuse_statfs_out *)r->body;
	int fd = vs_node_fd(&r->s->nodes, r->node);
	struct statvfs v;

	if (fd < 0)
		return fd;
	if (fstatvfs(fd, &v) < 0)
		return -errno;
	*out = (struct fuse_statfs_out){.st = {.blocks = v.f_blocks,
	                                        .bfree = v.f_bfree,
	                                        .bavail = v.f_bavail,
	                                        .files = v.f_files,
	                                        .ffree = v.f_ffree,
	                                        .bsize = (uint32_t)v.f_bsize,
	                                        .namelen = (uint32_t)v.f_namemax,
	                                        .frsize = (uint32_t)v.f_frsize}};
	return sizeof *out;
}
