/* SPDX-License-Identifier: MIT
 * What the guest is told of files, and for how long it may believe it. */
#include "vs.h"
#include "clock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#define LONG_S  3600 /* of what is called back when it changes */
#define SHORT_S 1
#define TICK_MS 20 /* a file system's clock may stand still as long */

struct vs_fdname vs_fdname(int fd)
{
	struct vs_fdname n;
	char *p = n.s + sizeof n.s - 1;
	char *start;

	*p = 0;
	do
		*--p = (char)('0' + fd % 10);
	while (fd /= 10);
	start = p;
	memmove(n.s, start, (size_t)(n.s + sizeof n.s - start));
	return n;
}

/* Files of other file systems mounted in the share may have the same numbers; the guest sees one
 * device. */
static uint64_t ino_of(const struct vs *s, const struct stat *st)
{
	return st->st_dev == s->nodes.dev
	               ? st->st_ino
	               : st->st_ino ^ (uint64_t)(st->st_dev & 0xffff) << 48 ^ (uint64_t)1 << 47;
}

void vs_fill_attr(const struct vs *s, const struct stat *st, struct fuse_attr *a)
{
	*a = (struct fuse_attr){.ino = ino_of(s, st),
	        .size = (uint64_t)st->st_size,
	        .blocks = (uint64_t)st->st_blocks,
	        .atime = (uint64_t)st->st_atim.tv_sec,
	        .mtime = (uint64_t)st->st_mtim.tv_sec,
	        .ctime = (uint64_t)st->st_ctim.tv_sec,
	        .atimensec = (uint32_t)st->st_atim.tv_nsec,
	        .mtimensec = (uint32_t)st->st_mtim.tv_nsec,
	        .ctimensec = (uint32_t)st->st_ctim.tv_nsec,
	        .mode = st->st_mode,
	        .nlink = (uint32_t)st->st_nlink,
	        .uid = st->st_uid,
	        .gid = st->st_gid,
	        /* The kernel's own form: 12 bits of major, 20 of minor, spread as new_encode_dev().
	         */
	        .rdev = (uint32_t)((minor(st->st_rdev) & 0xff) | major(st->st_rdev) << 8 |
	                           (minor(st->st_rdev) & ~0xffU) << 12),
	        .blksize = (uint32_t)st->st_blksize};
}

static bool same_time(struct timespec a, struct timespec b)
{
	return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

bool vs_stamp_is(const struct vs_stamp *a, const struct stat *st)
{
	return same_time(a->mtime, st->st_mtim) && same_time(a->ctime, st->st_ctim) &&
	       a->size == st->st_size;
}

struct vs_node *vs_place(struct vs *s, const struct vs_node *n, char name[VS_NAME_MAX + 1])
{
	uint64_t parent;

	*name = 0;
	pthread_mutex_lock(&s->nodes.lock);
	parent = n->parent;
	if (n->name)
		strcpy(name, n->name);
	pthread_mutex_unlock(&s->nodes.lock);
	return *name ? vs_node_get(&s->nodes, parent) : NULL;
}

bool vs_lost(struct vs *s, struct vs_node *n)
{
	char name[VS_NAME_MAX + 1];
	struct vs_node *dir = n->lost ? NULL : vs_place(s, n, name);
	int fd = dir ? vs_node_fd(&s->nodes, dir) : -1;
	struct stat st;

	if (fd >= 0)
		n->lost = fstatat(fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0 || st.st_ino != n->ino ||
		          st.st_dev != n->dev;
	vs_node_put(&s->nodes, dir);
	return fd >= 0 && n->lost;
}

static bool young(const struct stat *st)
{
	struct timespec now;
	int64_t age;

	clock_gettime(CLOCK_REALTIME, &now);
	age = (now.tv_sec - st->st_ctim.tv_sec) * 1000 +
	      (now.tv_nsec - st->st_ctim.tv_nsec) / 1000000;
	return age >= 0 && age < TICK_MS;
}

/* Within one tick of the clock nothing is told by comparing times. */
bool vs_is_known(const struct vs_node *n, const struct stat *st)
{
	return vs_stamp_is(&n->stamp, st) && (!young(st) || clock_ms() - n->own_ms < 2 * TICK_MS);
}

static void store(struct vs_node *n, const struct stat *st)
{
	n->stamp = (struct vs_stamp){st->st_mtim, st->st_ctim, st->st_size};
}

/* Attributes that the guest gets and that are not of its own making mean that its pages are old,
 * too: it compares nothing itself (FUSE_EXPLICIT_INVAL_DATA). */
void vs_stamp(struct vs *s, struct vs_node *n, const struct stat *st)
{
	struct vs_stamp old;

	if (s->cache != VS_CACHE_AUTO)
		return;
	pthread_mutex_lock(&s->nodes.lock);
	old = n->stamp;
	store(n, st);
	if (atomic_load(&n->writing))
		n->own_ms = clock_ms();
	pthread_mutex_unlock(&s->nodes.lock);
	if (S_ISREG(st->st_mode) && old.ctime.tv_sec != 0 &&
	        (!same_time(old.mtime, st->st_mtim) || old.size != st->st_size) &&
	        atomic_load(&n->writing) == 0)
		vs_tell_inode(s, n->id, 0, 0);
}

void vs_restamp(struct vs *s, struct vs_node *n, int fd)
{
	struct stat st;

	if (s->cache != VS_CACHE_AUTO || fstat(fd, &st) < 0)
		return;
	pthread_mutex_lock(&s->nodes.lock);
	store(n, &st);
	n->own_ms = clock_ms();
	pthread_mutex_unlock(&s->nodes.lock);
}

uint64_t vs_attr_valid(const struct vs *s, const struct vs_node *n, const struct stat *st)
{
	if (s->cache == VS_CACHE_NONE)
		return 0;
	if (s->cache == VS_CACHE_ALWAYS)
		return LONG_S;
	/* A file with two names may be changed by the one that nobody watches. */
	if (n->watch >= 0)
		return LONG_S;
	return n->covered && !S_ISDIR(st->st_mode) && st->st_nlink == 1 ? LONG_S : SHORT_S;
}

static uint64_t entry_valid(const struct vs *s, const struct vs_node *parent)
{
	if (s->cache == VS_CACHE_NONE)
		return 0;
	return s->cache == VS_CACHE_ALWAYS || parent->watch >= 0 ? LONG_S : SHORT_S;
}

void vs_fill_entry(struct vs *s, struct vs_node *parent, struct vs_node *n, const struct stat *st,
        struct fuse_entry_out *out)
{
	n->covered = parent->watch >= 0;
	*out = (struct fuse_entry_out){.nodeid = n->id,
	        .generation = n->generation,
	        .entry_valid = entry_valid(s, parent),
	        .attr_valid = vs_attr_valid(s, n, st)};
	vs_fill_attr(s, st, &out->attr);
}

/* Opens the node at its place below an open directory, if it is still there. */
int vs_find_again(const struct vs_node *n, int dir)
{
	int fd = openat(dir, n->name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	struct stat st;

	if (fd < 0)
		return errno == ENOENT || errno == ENOTDIR ? -ESTALE : -errno;
	if (fstat(fd, &st) == 0 && st.st_dev == n->dev && st.st_ino == n->ino &&
	        (st.st_mode & S_IFMT) == n->type)
		return fd;
	close(fd);
	return -ESTALE;
}

static int open_path(struct vs *s, int dir, const char *name)
{
	int fd;

	do
		fd = openat(dir, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	while (fd < 0 && errno == EMFILE && vs_nodes_shrink(&s->nodes));
	return fd < 0 ? -errno : fd;
}

int vs_find(
        struct vs *s, struct vs_node *parent, const char *name, struct vs_node **n, struct stat *st)
{
	int dir = vs_node_fd(&s->nodes, parent);
	int fd = dir < 0 ? dir : open_path(s, dir, name);

	if (fd < 0)
		return fd;
	if (fstat(fd, st) < 0) {
		int r = -errno;

		close(fd);
		return r;
	}
	*n = vs_node_of(&s->nodes, fd, st, parent->id, name, 1);
	if (!*n)
		return -ENOMEM;
	(*n)->told = atomic_fetch_add(&s->told, 1) + 1;
	if (s->cache != VS_CACHE_AUTO)
		return 0;
	if ((*n)->watch < 0 &&
	        (S_ISDIR(st->st_mode) || (S_ISREG(st->st_mode) && st->st_nlink > 1))) {
		int own = vs_node_fd(&s->nodes, *n);

		/* What changed before the watch was there is in what is looked at now. */
		if (own >= 0 && vs_watch_node(s, *n, own))
			fstat(own, st);
	}
	vs_stamp(s, *n, st);
	return 0;
}

void vs_mark(struct vs_req *r, struct vs_node *of)
{
	r->events = &of->events;
	r->seen = atomic_load(r->events);
}

int vs_entry(struct vs_req *r, struct vs_node *n, const struct stat *st)
{
	vs_fill_entry(r->s, r->node, n, st, (struct fuse_entry_out *)r->body);
	vs_node_put(&r->s->nodes, n);
	r->valid = VS_ENTRY;
	return sizeof(struct fuse_entry_out);
}

/* A name that is not there is remembered as well, where its coming is noticed. */
static int missing(struct vs_req *r)
{
	struct fuse_entry_out *out = (struct fuse_entry_out *)r->body;

	if (r->s->cache == VS_CACHE_NONE || entry_valid(r->s, r->node) != LONG_S)
		return -ENOENT;
	*out = (struct fuse_entry_out){.entry_valid = LONG_S};
	if (r->s->cache == VS_CACHE_AUTO)
		vs_told_missing(r->s, r->node->id, r->name);
	r->valid = VS_ENTRY;
	return sizeof *out;
}

int vs_lookup(struct vs_req *r)
{
	struct vs_node *n;
	struct stat st;
	int result;

	vs_mark(r, r->node);
	result = vs_find(r->s, r->node, r->name, &n, &st);
	if (result == -ENOENT)
		return missing(r);
	return result < 0 ? result : vs_entry(r, n, &st);
}

int vs_forget(struct vs_req *r)
{
	const struct fuse_forget_in *in = (const void *)r->arg;

	return vs_node_forget(&r->s->nodes, r->h->nodeid, in->nlookup) ? VS_NO_REPLY : VS_END;
}

int vs_batch_forget(struct vs_req *r)
{
	const struct fuse_batch_forget_in *in = (const void *)r->arg;
	const struct fuse_forget_one *one = (const void *)r->data;

	if (in->count > r->n_data / sizeof *one)
		return VS_END;
	for (uint32_t i = 0; i < in->count; i++)
		if (!vs_node_forget(&r->s->nodes, one[i].nodeid, one[i].nlookup))
			return VS_END;
	return VS_NO_REPLY;
}

/* An open handle answers for a file that has lost its name. */
static int stat_node(struct vs_req *r, uint32_t flags, uint64_t fh, struct stat *st)
{
	struct vs_handle *h = flags & FUSE_GETATTR_FH
	                              ? vs_handle_get(&r->s->handles, fh, r->h->nodeid, false)
	                              : NULL;
	int fd = h ? h->fd : vs_node_fd(&r->s->nodes, r->node), result = fd;

	if (fd >= 0)
		result = fstat(fd, st) < 0 ? -errno : 0;
	vs_handle_put(&r->s->handles, h);
	return result;
}

int vs_getattr(struct vs_req *r)
{
	const struct fuse_getattr_in *in = (const void *)r->arg;
	struct fuse_attr_out *out = (struct fuse_attr_out *)r->body;
	struct stat st;
	int result;

	vs_mark(r, r->node);
	result = stat_node(r, in->getattr_flags, in->fh, &st);
	if (result < 0)
		return result;
	vs_stamp(r->s, r->node, &st);
	*out = (struct fuse_attr_out){.attr_valid = vs_attr_valid(r->s, r->node, &st)};
	vs_fill_attr(r->s, &st, &out->attr);
	r->valid = VS_ATTR;
	return sizeof *out;
}
