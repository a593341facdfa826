/* SPDX-License-Identifier: MIT
 * Open files: reading, writing and the like. */
#include "vs.h"
#include "cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

/* O_LARGEFILE, which a kernel that opens an inode for itself leaves out. */
#define BY_PATH 0100000
/* O_DIRECT is between the guest and its cache; here it would demand aligned memory. */
#define FLAGS (O_ACCMODE | O_APPEND | O_TRUNC | O_SYNC | O_DSYNC | O_NOATIME)

/* Only what has content: opening a FIFO would wait, and a device is not the guest's to open. */
int vs_reopen(struct vs *s, struct vs_node *n, int flags)
{
	int path = vs_node_fd(&s->nodes, n), fd;

	if (path < 0)
		return path;
	if (n->type != S_IFREG)
		return n->type == S_IFDIR ? -EISDIR : -ENXIO;
	do
		fd = open(vs_fdname(path).s, flags | O_CLOEXEC | O_NOCTTY);
	while (fd < 0 && errno == EMFILE && vs_nodes_shrink(&s->nodes));
	return fd < 0 ? -errno : fd;
}

/* A change by others may be so new that its event is still to come; whoever opens the file after it
 * is to see it nevertheless. */
static bool changed(struct vs *s, struct vs_node *n, int fd)
{
	struct stat st;
	bool known;

	if (atomic_load(&n->writing) || fstat(fd, &st) < 0)
		return false;
	pthread_mutex_lock(&s->nodes.lock);
	known = vs_is_known(n, &st);
	pthread_mutex_unlock(&s->nodes.lock);
	return !known;
}

/* Pages that the guest has of the file are right as long as its changes are called back. */
static uint32_t cache_flags(struct vs *s, struct vs_node *n, int fd)
{
	if (s->cache == VS_CACHE_NONE)
		return FOPEN_DIRECT_IO;
	if (s->cache == VS_CACHE_ALWAYS)
		return FOPEN_KEEP_CACHE;
	if (!n->covered && n->watch < 0)
		return 0;
	if (!changed(s, n, fd))
		return FOPEN_KEEP_CACHE;
	vs_tell_inode(s, n->id, -1, 0); /* the size as well */
	return 0;
}

int vs_open(struct vs_req *r)
{
	const struct fuse_open_in *in = (const void *)r->arg;
	struct fuse_open_out *out = (struct fuse_open_out *)r->body;
	int flags = (int)in->flags & FLAGS, fd, result;
	uint64_t fh;

	if (r->s->readonly && ((flags & O_ACCMODE) != O_RDONLY || flags & O_TRUNC))
		return -EROFS;
	/* The guest's kernel then looks its path up anew. */
	if (r->s->cache == VS_CACHE_AUTO && in->flags & BY_PATH && vs_lost(r->s, r->node))
		return -ESTALE;
	if (flags & O_TRUNC)
		atomic_fetch_add(&r->node->writing, 1);
	fd = vs_reopen(r->s, r->node, flags);
	if (fd >= 0 && flags & O_TRUNC) {
		if (in->open_flags & FUSE_OPEN_KILL_SUIDGID)
			vs_kill_suid(r, fd);
		vs_restamp(r->s, r->node, fd);
	}
	if (flags & O_TRUNC)
		atomic_fetch_sub(&r->node->writing, 1);
	if (fd < 0)
		return fd;
	result = vs_handle_new(&r->s->handles, r->node->id, fd, flags, false, &fh);
	if (result < 0)
		return result;
	*out = (struct fuse_open_out){.fh = fh, .open_flags = cache_flags(r->s, r->node, fd)};
	return sizeof *out;
}

int vs_read(struct vs_req *r)
{
	const struct fuse_read_in *in = (const void *)r->arg;
	struct vs_handle *h = vs_handle_get(&r->s->handles, in->fh, r->h->nodeid, false);
	ssize_t n = -EBADF;

	if (!h)
		return vs_handle_error(&r->s->handles, in->fh);
	if (in->size > VS_DATA_MAX || in->offset > INT64_MAX)
		n = -EINVAL;
	else
		do
			n = pread(h->fd, r->body, in->size, (off_t)in->offset);
		while (n < 0 && errno == EINTR);
	if (n == -1)
		n = -errno;
	vs_handle_put(&r->s->handles, h);
	return (int)n;
}

/* Pages written back have their place in the file, whatever the handle was opened for. */
static int plain_fd(struct vs_handle *h, uint32_t write_flags)
{
	int fd;

	if (!(h->flags & O_APPEND) || !(write_flags & FUSE_WRITE_CACHE))
		return h->fd;
	pthread_mutex_lock(&h->lock);
	if (h->plain < 0)
		h->plain = open(vs_fdname(h->fd).s, O_WRONLY | O_CLOEXEC);
	fd = h->plain < 0 ? -errno : h->plain;
	pthread_mutex_unlock(&h->lock);
	return fd;
}

static ssize_t write_out(int fd, const char *data, size_t n, off_t at)
{
	size_t done = 0;

	while (done < n) {
		ssize_t w = pwrite(fd, data + done, n - done, at + (off_t)done);

		if (w < 0 && errno == EINTR)
			continue;
		if (w <= 0)
			return done ? (ssize_t)done : w < 0 ? -errno : -EIO;
		done += (size_t)w;
	}
	return (ssize_t)done;
}

int vs_write(struct vs_req *r)
{
	const struct fuse_write_in *in = (const void *)r->arg;
	struct fuse_write_out *out = (struct fuse_write_out *)r->body;
	struct vs_handle *h;
	ssize_t n;
	int fd;

	if (in->size != r->n_data || in->size > VS_DATA_MAX)
		return VS_END;
	if (in->offset > INT64_MAX - VS_DATA_MAX)
		return -EFBIG;
	h = vs_handle_get(&r->s->handles, in->fh, r->h->nodeid, false);
	if (!h)
		return vs_handle_error(&r->s->handles, in->fh);
	fd = plain_fd(h, in->write_flags);
	atomic_fetch_add(&r->node->writing, 1);
	n = fd < 0 ? fd : write_out(fd, r->data, in->size, (off_t)in->offset);
	if (n >= 0 && in->write_flags & FUSE_WRITE_KILL_SUIDGID)
		vs_kill_suid(r, fd);
	if (n >= 0)
		vs_restamp(r->s, r->node, fd);
	atomic_fetch_sub(&r->node->writing, 1);
	vs_handle_put(&r->s->handles, h);
	if (n < 0)
		return (int)n;
	*out = (struct fuse_write_out){.size = (uint32_t)n};
	return sizeof *out;
}

int vs_flush(struct vs_req *r)
{
	const struct fuse_flush_in *in = (const void *)r->arg;

	vs_locks_drop(r->s, r->node, in->lock_owner);
	return 0;
}

int vs_release(struct vs_req *r)
{
	const struct fuse_release_in *in = (const void *)r->arg;

	vs_locks_drop(r->s, r->node, in->lock_owner);
	vs_handle_close(&r->s->handles, in->fh, r->h->nodeid, false);
	return 0;
}

static int sync_handle(struct vs_req *r, bool dir)
{
	const struct fuse_fsync_in *in = (const void *)r->arg;
	struct vs_handle *h = vs_handle_get(&r->s->handles, in->fh, r->h->nodeid, dir);
	int result;

	if (!h)
		return vs_handle_error(&r->s->handles, in->fh);
	result = in->fsync_flags & FUSE_FSYNC_FDATASYNC ? fdatasync(h->fd) : fsync(h->fd);
	if (result < 0)
		result = -errno;
	vs_handle_put(&r->s->handles, h);
	return result;
}

int vs_fsync(struct vs_req *r)
{
	return sync_handle(r, false);
}

int vs_fsyncdir(struct vs_req *r)
{
	return sync_handle(r, true);
}

int vs_fallocate(struct vs_req *r)
{
	const struct fuse_fallocate_in *in = (const void *)r->arg;
	struct vs_handle *h = vs_handle_get(&r->s->handles, in->fh, r->h->nodeid, false);
	int result;

	if (!h)
		return vs_handle_error(&r->s->handles, in->fh);
	atomic_fetch_add(&r->node->writing, 1);
	do
		result = fallocate(h->fd, (int)in->mode, (off_t)in->offset, (off_t)in->length);
	while (result < 0 && errno == EINTR);
	if (result < 0)
		result = -errno;
	/* The guest's kernel does not say whether the caller may keep these bits. */
	if (result == 0 && r->h->uid != 0)
		vs_kill_suid(r, h->fd);
	vs_restamp(r->s, r->node, h->fd);
	atomic_fetch_sub(&r->node->writing, 1);
	vs_handle_put(&r->s->handles, h);
	return result;
}

/* The rest of lseek(2) the guest does itself. */
int vs_lseek(struct vs_req *r)
{
	const struct fuse_lseek_in *in = (const void *)r->arg;
	struct fuse_lseek_out *out = (struct fuse_lseek_out *)r->body;
	struct vs_handle *h;
	off_t at;

	if (in->whence != SEEK_DATA && in->whence != SEEK_HOLE)
		return -EINVAL;
	h = vs_handle_get(&r->s->handles, in->fh, r->h->nodeid, false);
	if (!h)
		return vs_handle_error(&r->s->handles, in->fh);
	at = lseek(h->fd, (off_t)in->offset, (int)in->whence);
	if (at < 0)
		at = -errno;
	vs_handle_put(&r->s->handles, h);
	if (at < 0)
		return (int)at;
	*out = (struct fuse_lseek_out){.offset = (uint64_t)at};
	return sizeof *out;
}

static ssize_t copy(struct vs_req *r, const struct vs_handle *from, const struct vs_handle *to)
{
	const struct fuse_copy_file_range_in *in = (const void *)r->arg;
	struct vs_node *target = vs_node_get(&r->s->nodes, in->nodeid_out);
	off_t from_at = (off_t)in->off_in, to_at = (off_t)in->off_out;
	size_t len = in->len > 1U << 30 ? 1U << 30 : (size_t)in->len; /* fits the answer */
	ssize_t n;

	if (!target)
		return -EBADF;
	atomic_fetch_add(&target->writing, 1);
	n = copy_file_range(from->fd, &from_at, to->fd, &to_at, len, (unsigned)in->flags);
	if (n < 0)
		n = -errno;
	if (n > 0 && r->h->uid != 0)
		vs_kill_suid(r, to->fd);
	vs_restamp(r->s, target, to->fd);
	atomic_fetch_sub(&target->writing, 1);
	vs_node_put(&r->s->nodes, target);
	return n;
}

int vs_copy_file_range(struct vs_req *r)
{
	const struct fuse_copy_file_range_in *in = (const void *)r->arg;
	struct fuse_write_out *out = (struct fuse_write_out *)r->body;
	struct vs_handle *from = vs_handle_get(&r->s->handles, in->fh_in, r->h->nodeid, false);
	struct vs_handle *to = vs_handle_get(&r->s->handles, in->fh_out, in->nodeid_out, false);
	ssize_t n = from && to ? copy(r, from, to)
	                       : vs_handle_error(&r->s->handles, from ? in->fh_out : in->fh_in);

	vs_handle_put(&r->s->handles, from);
	vs_handle_put(&r->s->handles, to);
	if (n < 0)
		return (int)n;
	*out = (struct fuse_write_out){.size = (uint32_t)n};
	return sizeof *out;
}

/* chattr(1) and lsattr(1), whose system calls the guest's kernel makes into these; other requests
 * have a meaning only where they are made. Returns the size of the argument, 0 for those. */
static uint32_t ioctl_size(uint32_t cmd)
{
	switch (cmd) {
	case FS_IOC_GETFLAGS:
	case FS_IOC_SETFLAGS:
		return sizeof(int);
	case FS_IOC_FSGETXATTR:
	case FS_IOC_FSSETXATTR:
		return sizeof(struct fsxattr);
	default:
		return 0;
	}
}

static int attributes(struct vs_req *r, const struct vs_handle *h, bool set)
{
	const struct fuse_ioctl_in *in = (const void *)r->arg;
	struct fuse_ioctl_out *out = (struct fuse_ioctl_out *)r->body;
	uint32_t size = ioctl_size(in->cmd);
	union {
		long flags; /* the kernel's type of it is int, whatever its name says */
		struct fsxattr x;
	} value = {0};
	int result;

	if (set && r->s->readonly)
		return -EROFS;
	if ((set ? (uint32_t)r->n_data : in->out_size) < size)
		return -EINVAL;
	if (set)
		memcpy(&value, r->data, size);
	result = ioctl(h->fd, (unsigned long)in->cmd, &value) < 0 ? -errno : 0;
	if (set)
		vs_restamp(r->s, r->node, h->fd);
	if (result < 0)
		return result;
	*out = (struct fuse_ioctl_out){0};
	if (set)
		return sizeof *out;
	memcpy(r->body + sizeof *out, &value, size);
	return (int)(sizeof *out + size);
}

int vs_ioctl(struct vs_req *r)
{
	const struct fuse_ioctl_in *in = (const void *)r->arg;
	bool dir = in->flags & FUSE_IOCTL_DIR;
	struct vs_handle *h = vs_handle_get(&r->s->handles, in->fh, r->h->nodeid, dir);
	int result = -ENOTTY;

	if (!h)
		return vs_handle_error(&r->s->handles, in->fh);
	if (ioctl_size(in->cmd))
		result = attributes(
		        r, h, in->cmd == FS_IOC_SETFLAGS || in->cmd == FS_IOC_FSSETXATTR);
	vs_handle_put(&r->s->handles, h);
	return result;
}
