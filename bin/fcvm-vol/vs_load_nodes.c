/* SPDX-License-Identifier: MIT
 * The nodes of a saved session: each is looked for where the guest last saw it. One that is there
 * goes on, and is called back if it has changed; in the place of one that is not, the guest looks
 * anew, and by its number it is ESTALE. Nothing but names of one component, below directories that
 * were found so, is ever opened: what is saved cannot lead out of the share. */
#include "cleanup.h"
#include "strv.h"
#include "vs_save.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#define DEPTH_MAX 4096

static void call_back(struct vs_loading *l, uint64_t id, int64_t off)
{
	struct {
		struct fuse_out_header h;
		struct fuse_notify_inval_inode_out body;
	} msg = {{sizeof msg, FUSE_NOTIFY_INVAL_INODE, 0}, {.ino = id, .off = off}};

	vs_put_bytes(&l->inodes, &msg, sizeof msg);
}

void vs_call_back_name(struct vs_loading *l, uint64_t dir, const char *name)
{
	size_t n = strlen(name);
	struct fuse_notify_inval_entry_out body = {.parent = dir, .namelen = (uint32_t)n};
	struct fuse_out_header h = {
	        (uint32_t)(sizeof h + sizeof body + n + 1), FUSE_NOTIFY_INVAL_ENTRY, 0};

	vs_put_bytes(&l->names, &h, sizeof h);
	vs_put_bytes(&l->names, &body, sizeof body);
	vs_put_bytes(&l->names, name, n + 1);
}

/* --- what was written ------------------------------------------------------------------------ */

static struct timespec get_time(struct vs_unpack *u)
{
	int64_t seconds = (int64_t)vs_get_u64(u);

	return (struct timespec){seconds, vs_get_u32(u)};
}

static bool good_type(mode_t type)
{
	return type == S_IFREG || type == S_IFDIR || type == S_IFLNK || type == S_IFIFO ||
	       type == S_IFCHR || type == S_IFBLK || type == S_IFSOCK;
}

/* Also none. */
bool vs_good_name(const char *s, size_t n)
{
	return n <= VS_NAME_MAX && !memchr(s, 0, n) && !memchr(s, '/', n) &&
	       !(s[0] == '.' && (n == 1 || (n == 2 && s[1] == '.')));
}

static bool make_room(struct vs_loading *l, uint64_t id)
{
	struct vs_nodes *t = &l->s->nodes;
	struct vs_was *more;

	while (id >= t->n_slots)
		if (!vs_slots_more(t))
			return false;
	if (l->n_was == t->n_slots)
		return true;
	more = reallocarray(l->was, t->n_slots, sizeof *more);
	if (!more)
		return false;
	memset(more + l->n_was, 0, (t->n_slots - l->n_was) * sizeof *more);
	l->was = more;
	l->n_was = t->n_slots;
	return true;
}

/* The root is there: it is what is shared now, whatever it was. */
static struct vs_node *place_for(struct vs_loading *l, uint64_t id)
{
	struct vs_nodes *t = &l->s->nodes;
	struct vs_node *n;

	if (id < FUSE_ROOT_ID || id >= VS_NODES_MAX || !make_room(l, id))
		return NULL;
	if (id == FUSE_ROOT_ID)
		return l->was[id].state == VS_UNSEEN ? t->slots[id] : NULL;
	if (t->slots[id])
		return NULL;
	n = xcalloc(1, sizeof *n);
	n->id = id;
	n->fd = n->watch = -1;
	t->slots[id] = n;
	t->live++;
	return n;
}

static void load_node(struct vs_loading *l)
{
	struct vs_unpack *u = &l->u;
	struct vs_node *n = place_for(l, vs_get_u64(u)), none = {.id = 0};
	struct vs_was *was;
	const char *name;
	size_t n_name;
	uint32_t flags;
	mode_t type;

	if (!n) {
		u->bad = true;
		return;
	}
	was = &l->was[n->id];
	was->state = n->id == FUSE_ROOT_ID ? VS_FOUND : VS_UNSEEN;
	if (n->id == FUSE_ROOT_ID)
		n = &none; /* of it only the time stamps count */
	n->generation = vs_get_u64(u);
	n->lookups = vs_get_u64(u);
	type = n->type = vs_get_u32(u);
	n->dev = vs_get_u64(u);
	n->ino = vs_get_u64(u);
	was->born.seconds = (int64_t)vs_get_u64(u);
	was->born.nanoseconds = vs_get_u32(u);
	n->parent = vs_get_u64(u);
	name = vs_get_blob(u, VS_NAME_MAX, &n_name);
	if (!name || !good_type(type) || !n->lookups || !vs_good_name(name, n_name))
		u->bad = true;
	n->name = !u->bad && n_name ? strndup(name, n_name) : NULL;
	n->told = vs_get_u64(u);
	n->stamp.mtime = get_time(u);
	n->stamp.ctime = get_time(u);
	n->stamp.size = (off_t)vs_get_u64(u);
	flags = vs_get_u32(u);
	n->covered = flags & VS_COVERED;
	was->watched = flags & VS_WATCHED;
	was->unnamed = flags & VS_UNNAMED;
	if (n->dev == (dev_t)-1)
		u->bad = true;
	if (n->dev == l->dev)
		n->dev = l->s->nodes.dev; /* a device's number may be another now */
	if (n != &none)
		return;
	free(none.name);
	l->s->nodes.slots[FUSE_ROOT_ID]->stamp = none.stamp;
	if ((type == S_IFDIR) != (l->s->nodes.slots[FUSE_ROOT_ID]->type == S_IFDIR))
		u->bad = true;
}

void vs_load_nodes(struct vs_loading *l)
{
	uint32_t count = vs_get_u32(&l->u);

	if (!make_room(l, FUSE_ROOT_ID))
		l->u.bad = true;
	for (uint32_t i = 0; i < count && !l->u.bad; i++)
		load_node(l);
	if (!l->u.bad && l->was[FUSE_ROOT_ID].state != VS_FOUND)
		l->u.bad = true;
}

/* --- where they are -------------------------------------------------------------------------- */

/* One that cannot be found again is of no device. */
static void lose(struct vs_loading *l, struct vs_node *n, bool replaced)
{
	struct vs_nodes *t = &l->s->nodes;

	l->was[n->id].state = VS_LOST;
	call_back(l, n->id, -1);
	if (replaced || !n->name || !vs_node_join(t, n)) {
		free(n->name);
		n->name = NULL;
		n->dev = (dev_t)-1;
		n->ino = n->id;
		vs_node_join(t, n);
	}
}

static struct stat as_stat(const struct statx *x)
{
	return (struct stat){.st_mode = x->stx_mode,
	        .st_dev = makedev(x->stx_dev_major, x->stx_dev_minor),
	        .st_ino = x->stx_ino,
	        .st_nlink = x->stx_nlink,
	        .st_size = (off_t)x->stx_size,
	        .st_mtim = {x->stx_mtime.tv_sec, x->stx_mtime.tv_nsec},
	        .st_ctim = {x->stx_ctime.tv_sec, x->stx_ctime.tv_nsec}};
}

bool vs_same_birth(const struct vs_born *born, const struct statx *x)
{
	return !(x->stx_mask & STATX_BTIME) || (!born->seconds && !born->nanoseconds) ||
	       (born->seconds == x->stx_btime.tv_sec && born->nanoseconds == x->stx_btime.tv_nsec);
}

static void compare(struct vs_loading *l, struct vs_node *n, const struct stat *st)
{
	bool content = n->stamp.size != st->st_size ||
	               n->stamp.mtime.tv_sec != st->st_mtim.tv_sec ||
	               n->stamp.mtime.tv_nsec != st->st_mtim.tv_nsec;

	if (!vs_stamp_is(&n->stamp, st))
		call_back(l, n->id, content ? 0 : -1);
	n->stamp = (struct vs_stamp){st->st_mtim, st->st_ctim, st->st_size};
}

/* Watched as it was, before it is looked at; what the guest was promised for long and nobody
 * watches is called back. */
static void watch_again(struct vs_loading *l, struct vs_node *n, struct stat *st)
{
	struct vs_was *was = &l->was[n->id];
	int fd;

	if (!was->watched || l->s->cache != VS_CACHE_AUTO)
		return;
	fd = vs_node_fd(&l->s->nodes, n);
	was->blind = fd < 0 || !vs_watch_node(l->s, n, fd);
	if (fd >= 0)
		fstat(fd, st);
}

static void found(struct vs_loading *l, struct vs_node *n, struct stat *st)
{
	const struct vs_was *parent = &l->was[n->parent];

	n->dev = st->st_dev;
	n->ino = st->st_ino;
	if (!vs_node_join(&l->s->nodes, n)) { /* another name of it, which was another file */
		vs_call_back_name(l, n->parent, n->name);
		lose(l, n, true);
		return;
	}
	l->was[n->id].state = VS_FOUND;
	watch_again(l, n, st);
	compare(l, n, st);
	if (parent->blind) {
		n->covered = false;
		vs_call_back_name(l, n->parent, n->name);
		call_back(l, n->id, 0);
	}
}

static void look_for(struct vs_loading *l, struct vs_node *n)
{
	struct vs_nodes *t = &l->s->nodes;
	struct vs_node *dir = n->parent < t->n_slots ? t->slots[n->parent] : NULL;
	bool reachable =
	        dir && n->name && l->was[dir->id].state == VS_FOUND && dir->type == S_IFDIR;
	int fd = reachable && !l->was[n->id].unnamed ? vs_node_fd(t, dir) : -1;
	bool there = false, itself = false;
	struct statx x;
	struct stat st;

	if (fd >= 0 && statx(fd, n->name, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT,
	                       STATX_BASIC_STATS | STATX_BTIME, &x) == 0) {
		st = as_stat(&x);
		there = (st.st_mode & S_IFMT) == n->type;
		itself = there && st.st_ino == n->ino && st.st_dev == n->dev;
		there = l->copied ? there : itself && vs_same_birth(&l->was[n->id].born, &x);
	}
	if (there) {
		found(l, n, &st);
		return;
	}
	if (reachable)
		vs_call_back_name(l, dir->id, n->name);
	lose(l, n, itself);
}

/* From the nearest directory above that was looked for down to the node. What is saved may be a
 * circle. */
static void find(struct vs_loading *l, struct vs_node *n)
{
	struct vs_nodes *t = &l->s->nodes;
	struct vs_node *chain[DEPTH_MAX];
	uint32_t depth = 0;

	while (n && l->was[n->id].state == VS_UNSEEN && depth < DEPTH_MAX) {
		l->was[n->id].state = VS_SEEKING;
		chain[depth++] = n;
		n = n->name && n->parent < t->n_slots ? t->slots[n->parent] : NULL;
	}
	while (depth > 0)
		look_for(l, chain[--depth]);
}

void vs_find_nodes(struct vs_loading *l)
{
	struct vs_nodes *t = &l->s->nodes;
	struct vs_node *root = t->slots[FUSE_ROOT_ID];
	struct stat st;

	t->free_hint = 2;
	l->was[FUSE_ROOT_ID].blind =
	        l->was[FUSE_ROOT_ID].watched && l->s->cache == VS_CACHE_AUTO && root->watch < 0;
	if (fstat(root->fd, &st) == 0)
		compare(l, root, &st);
	for (uint64_t id = FUSE_ROOT_ID; id < l->n_was; id++)
		if (t->slots[id])
			find(l, t->slots[id]);
}
