/* SPDX-License-Identifier: MIT
 * Goes on from what vs_save() wrote. */
#include "cleanup.h"
#include "strv.h"
#include "vs_save.h"
#include "xio.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* What open(2) may be told once more: nothing is made or emptied again. */
#define FLAGS (O_ACCMODE | O_APPEND | O_SYNC | O_DSYNC | O_NOATIME)

static int header(struct vs_loading *l)
{
	struct vs *s = l->s;

	if (l->u.left < 8 || memcmp(l->u.at, VS_SAVE_MAGIC, 8) != 0)
		return -EBADMSG;
	l->u.at += 8;
	l->u.left -= 8;
	if (vs_get_u32(&l->u) != VS_SAVE_VERSION)
		return -EBADMSG;
	s->begun = vs_get_u32(&l->u) != 0;
	s->flags = vs_get_u32(&l->u);
	l->dev = vs_get_u64(&l->u);
	s->nodes.generation = vs_get_u64(&l->u);
	atomic_store(&s->told, vs_get_u64(&l->u));
	s->handles.count = vs_get_u32(&l->u);
	return l->u.bad ? -EBADMSG : 0;
}

/* --- open files ------------------------------------------------------------------------------ */

static int file_of(const char *data, size_t n, mode_t mode, uid_t uid, gid_t gid)
{
	auto_fd int fd = memfd_create("fcvm-vol", MFD_CLOEXEC);

	if (fd < 0 || pwrite_full(fd, data, n, 0) < 0)
		return -1;
	/* Its owner is no longer anybody else's business. */
	if (fchownat(fd, "", uid, gid, AT_EMPTY_PATH) == 0)
		(void)!chmod(vs_fdname(fd).s, mode);
	return steal_fd(&fd);
}

static void load_contents(struct vs_loading *l)
{
	uint32_t count = vs_get_u32(&l->u);

	for (uint32_t i = 0; i < count && !l->u.bad; i++) {
		uint64_t node = vs_get_u64(&l->u);
		bool saved = vs_get_u32(&l->u) != 0;
		mode_t mode = vs_get_u32(&l->u) & 07777;
		uid_t uid = vs_get_u32(&l->u);
		gid_t gid = vs_get_u32(&l->u);
		size_t n;
		const char *data = vs_get_blob(&l->u, VS_CONTENT_MAX, &n);
		int fd;

		if (!data)
			return;
		fd = saved ? file_of(data, n, mode, uid, gid) : -1;
		if (fd >= 0)
			vs_give_file(l, node, fd);
		else
			l->loss->too_large++;
	}
}

static int open_again(struct vs *s, struct vs_node *n, int flags, bool dir)
{
	int path, fd;

	if (!dir)
		return vs_reopen(s, n, flags & FLAGS);
	if (n->type != S_IFDIR)
		return -ENOTDIR;
	path = vs_node_fd(&s->nodes, n);
	if (path < 0)
		return path;
	do
		fd = openat(path, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	while (fd < 0 && errno == EMFILE && vs_nodes_shrink(&s->nodes));
	return fd < 0 ? -errno : fd;
}

static void lost_lock(struct vs_loading *l, struct vs_handle *h)
{
	h->error = -EIO;
	l->loss->locks++;
}

/* A list that was being read cannot be told from one that begins anew, so others read for
 * themselves alone until its reader has gone. */
static void keep_list(struct vs_node *n, struct vs_handle *h)
{
	h->keeps = h->listing = true;
	n->lists++;
	n->lists_at = UINT64_MAX;
}

static void load_handle(struct vs_loading *l)
{
	struct vs *s = l->s;
	struct vs_handle *h = xcalloc(1, sizeof *h);
	struct vs_node *n;
	uint32_t bits, lock;

	pthread_mutex_init(&h->lock, NULL);
	h->fd = h->plain = -1;
	h->id = vs_get_u64(&l->u);
	h->node = vs_get_u64(&l->u);
	h->flags = (int)vs_get_u32(&l->u) & (FLAGS | O_TRUNC);
	bits = vs_get_u32(&l->u);
	lock = vs_get_u32(&l->u);
	h->error = -(int)(vs_get_u32(&l->u) & 4095);
	h->dir = bits & VS_DIR;
	n = vs_node_get(&s->nodes, h->node);
	if (l->u.bad || !n || (uint32_t)h->id >= VS_HANDLES_MAX ||
	        !vs_handle_restore(&s->handles, h)) {
		l->u.bad = true;
		vs_handle_destroy(h);
		vs_node_put(&s->nodes, n);
		return;
	}
	h->fd = h->error ? -1 : open_again(s, n, h->flags, h->dir);
	if (h->fd == -ESTALE && vs_search(l, n))
		h->fd = open_again(s, n, h->flags, h->dir);
	if (h->fd < 0 && !h->error) {
		h->error = h->fd == -ENOENT ? -ESTALE : h->fd;
		h->fd = -1;
		l->loss->files++;
	}
	h->flocked = lock != F_UNLCK;
	if (h->fd >= 0 && h->flocked && !vs_flock_again(h, lock))
		lost_lock(l, h);
	if (h->fd >= 0 && h->dir && bits & VS_KEEPS)
		keep_list(n, h);
	vs_node_put(&s->nodes, n);
}

static void load_handles(struct vs_loading *l)
{
	uint32_t count = vs_get_u32(&l->u);

	for (uint32_t i = 0; i < count && !l->u.bad; i++)
		load_handle(l);
	vs_handles_restored(&l->s->handles);
}

/* --- what is to be said ---------------------------------------------------------------------- */

static bool whole_messages(const char *data, size_t n)
{
	struct fuse_out_header h;

	while (n > 0) {
		if (n < sizeof h)
			return false;
		memcpy(&h, data, sizeof h);
		if (h.len < sizeof h || h.len > n || h.len > VS_MSG_MAX)
			return false;
		data += h.len;
		n -= h.len;
	}
	return true;
}

static void keep(struct vs *s, const char *data, size_t n)
{
	struct vs_rest *r = &s->rest_state;
	char *more = realloc(r->kept, r->n_kept + n + 1);

	if (!more)
		abort();
	if (n)
		memcpy(more + r->n_kept, data, n);
	r->kept = more;
	r->n_kept += n;
	r->size = r->n_kept + 1;
}

static void load_kept(struct vs_loading *l)
{
	struct vs_rest *r = &l->s->rest_state;
	bool flooded = vs_get_u32(&l->u) != 0;
	size_t n;
	const char *data = vs_get_blob(&l->u, VS_KEPT_MAX, &n);

	if (!data || !whole_messages(data, n) || l->inodes.failed || l->names.failed || l->u.left) {
		l->u.bad = true;
		return;
	}
	pthread_mutex_lock(&l->s->out);
	keep(l->s, data, n);
	keep(l->s, l->inodes.data, l->inodes.n);
	keep(l->s, l->names.data, l->names.n);
	r->flooded |= flooded;
	pthread_mutex_unlock(&l->s->out);
}

static int load_all(struct vs_loading *l)
{
	int r = header(l);

	if (r < 0)
		return r;
	vs_load_nodes(l);
	if (l->u.bad)
		return -EBADMSG;
	vs_find_nodes(l);
	vs_load_missing(l);
	load_contents(l);
	load_handles(l);
	vs_locks_load(l->s, &l->u, l->loss);
	load_kept(l);
	return l->u.bad ? -EBADMSG : 0;
}

int vs_load(struct vs *s, const void *data, size_t n, bool copied, struct vs_loss *loss)
{
	struct vs_loading l = {.s = s, .u = {data, n, false}, .copied = copied, .loss = loss};
	int r;

	*loss = (struct vs_loss){0};
	s->loaded = true; /* it rests from the first moment on */
	r = vs_open_session(s);
	if (r == 0) {
		pthread_mutex_lock(&s->rest_state.telling);
		r = load_all(&l);
		pthread_mutex_unlock(&s->rest_state.telling);
	}
	if (r < 0) {
		vs_close_session(s);
		s->loaded = false;
	}
	free(l.was);
	free(l.inodes.data);
	free(l.names.data);
	return r;
}
