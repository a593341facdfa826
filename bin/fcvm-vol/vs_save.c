/* SPDX-License-Identifier: MIT
 * Writes a session down. Nothing of it moves meanwhile: the wire is at rest, and whoever watches
 * is not between looking at a file and telling of it. */
#include "vs_save.h"
#include "cleanup.h"
#include "xio.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define TICK_MS 40 /* changes within it may have one time stamp */

/* The file's birth, whether it has lost all its names, and, where nobody is called back, what it is
 * like just now. */
static struct vs_born look(
        const struct vs *s, const struct vs_node *n, struct vs_stamp *stamp, bool *unnamed)
{
	struct vs_born born = {0, 0};
	struct statx st;

	if (n->fd < 0 || statx(n->fd, "", AT_EMPTY_PATH, STATX_BASIC_STATS | STATX_BTIME, &st) < 0)
		return born;
	if (st.stx_mask & STATX_BTIME)
		born = (struct vs_born){st.stx_btime.tv_sec, st.stx_btime.tv_nsec};
	*unnamed = st.stx_nlink == 0;
	if (s->cache != VS_CACHE_AUTO)
		*stamp = (struct vs_stamp){{st.stx_mtime.tv_sec, st.stx_mtime.tv_nsec},
		        {st.stx_ctime.tv_sec, st.stx_ctime.tv_nsec}, (off_t)st.stx_size};
	return born;
}

static bool is_young(struct timespec t)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (now.tv_sec - t.tv_sec) * 1000 + (now.tv_nsec - t.tv_nsec) / 1000000 < TICK_MS;
}

static void put_time(struct vs_pack *p, struct timespec t)
{
	vs_put_u64(p, (uint64_t)t.tv_sec);
	vs_put_u32(p, (uint32_t)t.tv_nsec);
}

static void save_node(const struct vs *s, const struct vs_node *n, struct vs_pack *p)
{
	struct vs_stamp stamp = n->stamp;
	bool unnamed = false;
	struct vs_born born = look(s, n, &stamp, &unnamed);

	if (is_young(stamp.ctime))
		stamp = (struct vs_stamp){.size = -1}; /* whatever is there is another */
	vs_put_u64(p, n->id);
	vs_put_u64(p, n->generation);
	vs_put_u64(p, n->lookups);
	vs_put_u32(p, n->type);
	vs_put_u64(p, n->dev);
	vs_put_u64(p, n->ino);
	vs_put_u64(p, (uint64_t)born.seconds);
	vs_put_u32(p, born.nanoseconds);
	vs_put_u64(p, n->parent);
	vs_put_blob(p, n->name, n->name ? strlen(n->name) : 0);
	vs_put_u64(p, n->told);
	put_time(p, stamp.mtime);
	put_time(p, stamp.ctime);
	vs_put_u64(p, (uint64_t)stamp.size);
	vs_put_u32(p, (n->covered ? VS_COVERED : 0) | (n->watch >= 0 ? VS_WATCHED : 0) |
	                      (unnamed ? VS_UNNAMED : 0));
}

static void save_nodes(struct vs *s, struct vs_pack *p)
{
	size_t gap = vs_put_gap(p);
	uint32_t count = 0;

	pthread_mutex_lock(&s->nodes.lock);
	for (uint32_t i = 0; i < s->nodes.n_slots; i++)
		if (s->nodes.slots[i] && s->nodes.slots[i]->lookups) {
			save_node(s, s->nodes.slots[i], p);
			count++;
		}
	pthread_mutex_unlock(&s->nodes.lock);
	vs_fill_gap(p, gap, count);
	if (s->nodes.n_slots > VS_NODES_MAX)
		p->failed = true;
}

/* --- open files ------------------------------------------------------------------------------ */

static bool read_content(int handle, off_t size, char *to)
{
	auto_fd int fd = open(vs_fdname(handle).s, O_RDONLY | O_CLOEXEC);

	for (off_t at = 0; at < size;) {
		ssize_t n = fd < 0 ? -1 : pread(fd, to + at, (size_t)(size - at), at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		at += n;
	}
	return true;
}

struct contents {
	uint64_t *nodes; /* done */
	size_t n, bytes;
	uint32_t count;
};

/* A file without a name: nobody will find it again, so a clone gets a copy. */
static void save_content(struct contents *c, const struct vs_handle *h, struct vs_pack *p)
{
	auto_free char *data = NULL;
	struct stat st;
	bool saved;

	if (h->dir || h->error || fstat(h->fd, &st) < 0 || st.st_nlink > 0)
		return;
	for (size_t i = 0; i < c->n; i++)
		if (c->nodes[i] == h->node)
			return;
	c->nodes = reallocarray(c->nodes, c->n + 1, sizeof *c->nodes);
	if (!c->nodes)
		abort();
	c->nodes[c->n++] = h->node;
	saved = (size_t)st.st_size <= VS_CONTENT_MAX - c->bytes;
	data = saved ? malloc((size_t)st.st_size + 1) : NULL;
	saved = data && read_content(h->fd, st.st_size, data);
	vs_put_u64(p, h->node);
	vs_put_u32(p, saved);
	vs_put_u32(p, st.st_mode & 07777);
	vs_put_u32(p, st.st_uid);
	vs_put_u32(p, st.st_gid);
	vs_put_blob(p, data, saved ? (size_t)st.st_size : 0);
	c->bytes += saved ? (size_t)st.st_size : 0;
	c->count++;
}

static void save_handle(const struct vs_handle *h, struct vs_pack *p)
{
	vs_put_u64(p, h->id);
	vs_put_u64(p, h->node);
	vs_put_u32(p, (uint32_t)h->flags);
	vs_put_u32(p, (h->dir ? VS_DIR : 0) | (h->keeps ? VS_KEEPS : 0));
	vs_put_u32(p, vs_flock_of(h));
	vs_put_u32(p, (uint32_t)-h->error);
}

static void save_handles(struct vs_handles *t, struct vs_pack *p)
{
	size_t gap = vs_put_gap(p);
	struct contents c = {NULL, 0, 0, 0};
	uint32_t count = 0;

	pthread_mutex_lock(&t->lock);
	for (uint32_t i = 0; i < t->n_slots; i++)
		if (t->slots[i] && !t->slots[i]->closing)
			save_content(&c, t->slots[i], p);
	vs_fill_gap(p, gap, c.count);
	free(c.nodes);
	gap = vs_put_gap(p);
	for (uint32_t i = 0; i < t->n_slots; i++)
		if (t->slots[i] && !t->slots[i]->closing) {
			save_handle(t->slots[i], p);
			count++;
		}
	vs_fill_gap(p, gap, count);
	if (t->n_slots > VS_HANDLES_MAX)
		p->failed = true;
	pthread_mutex_unlock(&t->lock);
}

/* --- all of it ------------------------------------------------------------------------------- */

static void save_all(struct vs *s, struct vs_pack *p)
{
	vs_put_bytes(p, VS_SAVE_MAGIC, 8);
	vs_put_u32(p, VS_SAVE_VERSION);
	vs_put_u32(p, s->begun);
	vs_put_u32(p, s->flags);
	vs_put_u64(p, s->nodes.dev);
	vs_put_u64(p, s->nodes.generation);
	vs_put_u64(p, atomic_load(&s->told));
	vs_put_u32(p, s->handles.count);
	save_nodes(s, p);
	vs_missing_save(s, p);
	save_handles(&s->handles, p);
	vs_locks_save(s, p);
	vs_put_u32(p, s->rest_state.flooded);
	vs_put_blob(p, s->rest_state.kept, s->rest_state.n_kept);
}

ssize_t vs_save(struct vs *s, int fd, off_t at)
{
	struct vs_pack p = {.data = NULL};
	ssize_t r = -EBUSY;

	pthread_mutex_lock(&s->rest_state.telling);
	pthread_mutex_lock(&s->out);
	if (s->rest_state.resting) {
		save_all(s, &p);
		r = p.failed ? -EFBIG : 0;
	}
	pthread_mutex_unlock(&s->out);
	pthread_mutex_unlock(&s->rest_state.telling);
	if (r == 0)
		r = pwrite_full(fd, p.data, p.n, at);
	free(p.data);
	return r < 0 ? r : (ssize_t)p.n;
}
