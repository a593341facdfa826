/* SPDX-License-Identifier: MIT
 * Extended attributes, POSIX ACLs among them. O_PATH descriptors do not take them, so the way is
 * /proc/self/fd, where a name is the very file that is open. */
#include "vs.h"

#include <errno.h>
#include <string.h>
#include <sys/xattr.h>

#define ACL_ACCESS "system.posix_acl_access"

/* Changing the ACL as somebody outside of the file's group clears set-gid. */
static void drop_sgid(int fd)
{
	struct stat st;

	if (fstat(fd, &st) == 0 && st.st_mode & S_ISGID)
		chmod(vs_fdname(fd).s, st.st_mode & 07777 & ~(mode_t)S_ISGID);
}

int vs_setxattr(struct vs_req *r)
{
	const struct fuse_setxattr_in *in = (const void *)r->arg;
	bool extended = r->s->flags & FUSE_SETXATTR_EXT;
	int fd = vs_node_fd(&r->s->nodes, r->node), result = 0;

	if (in->size != r->n_data)
		return VS_END;
	if (fd < 0)
		return fd;
	atomic_fetch_add(&r->node->writing, 1);
	if (setxattr(vs_fdname(fd).s, r->name, r->data, in->size, (int)in->flags) < 0)
		result = -errno;
	if (result == 0 && extended && in->setxattr_flags & FUSE_SETXATTR_ACL_KILL_SGID &&
	        !strcmp(r->name, ACL_ACCESS))
		drop_sgid(fd);
	vs_restamp(r->s, r->node, fd);
	atomic_fetch_sub(&r->node->writing, 1);
	return result;
}

/* The size alone is asked for with a size of 0. */
static int answer_size(struct vs_req *r, ssize_t n)
{
	struct fuse_getxattr_out *out = (struct fuse_getxattr_out *)r->body;

	*out = (struct fuse_getxattr_out){.size = (uint32_t)n};
	return sizeof *out;
}

int vs_getxattr(struct vs_req *r)
{
	const struct fuse_getxattr_in *in = (const void *)r->arg;
	int fd = vs_node_fd(&r->s->nodes, r->node);
	size_t size = in->size < XATTR_SIZE_MAX ? in->size : XATTR_SIZE_MAX;
	ssize_t n;

	if (fd < 0)
		return fd;
	n = getxattr(vs_fdname(fd).s, r->name, size ? r->body : NULL, size);
	if (n < 0)
		return -errno;
	return in->size ? (int)n : answer_size(r, n);
}

int vs_listxattr(struct vs_req *r)
{
	const struct fuse_getxattr_in *in = (const void *)r->arg;
	int fd = vs_node_fd(&r->s->nodes, r->node);
	size_t size = in->size < XATTR_LIST_MAX ? in->size : XATTR_LIST_MAX;
	ssize_t n;

	if (fd < 0)
		return fd;
	n = listxattr(vs_fdname(fd).s, size ? r->body : NULL, size);
	if (n < 0)
		return -errno;
	return in->size ? (int)n : answer_size(r, n);
}

int vs_removexattr(struct vs_req *r)
{
	int fd = vs_node_fd(&r->s->nodes, r->node), result = 0;

	if (fd < 0)
		return fd;
	atomic_fetch_add(&r->node->writing, 1);
	if (removexattr(vs_fdname(fd).s, r->name) < 0)
		result = -errno;
	vs_restamp(r->s, r->node, fd);
	atomic_fetch_sub(&r->node->writing, 1);
	return result;
}
