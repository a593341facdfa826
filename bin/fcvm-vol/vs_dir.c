/* SPDX-License-Identifier: MIT
 * Directories are read with the file system's own offsets, which stay right while names come and
 * go. What getdents64(2) gave is kept until the guest has taken it. */
#include "vs.h"
#include "cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define CHUNK 32768

struct dirent64 { /* getdents64(2) */
	uint64_t ino;
	int64_t off;
	uint16_t len;
	uint8_t type;
	char name[];
} __attribute__((packed));

/* The guest's kernel looks only at the first entries whether the list that it keeps is right, and a
 * reader that is further on takes what another has added meanwhile. So all who add to one list must
 * have begun with the same names: false to others, who read for themselves alone. */
static bool begin_list(struct vs *s, struct vs_node *dir)
{
	uint64_t now = atomic_load(&dir->changes) + atomic_load(&dir->events);
	bool same;

	pthread_mutex_lock(&s->nodes.lock);
	if (dir->lists == 0)
		dir->lists_at = now;
	same = dir->lists_at == now;
	if (same)
		dir->lists++;
	pthread_mutex_unlock(&s->nodes.lock);
	return same;
}

static void end_list(struct vs *s, struct vs_node *dir, struct vs_handle *h)
{
	pthread_mutex_lock(&s->nodes.lock);
	if (h->listing)
		dir->lists--;
	h->listing = false;
	pthread_mutex_unlock(&s->nodes.lock);
}

/* From the first entry once more. It cannot be told now to leave the list alone, so it counts. */
static void again(struct vs *s, struct vs_node *dir, struct vs_handle *h)
{
	uint64_t now = atomic_load(&dir->changes) + atomic_load(&dir->events);

	pthread_mutex_lock(&s->nodes.lock);
	if (h->keeps && !h->listing) {
		if (dir->lists++ == 0)
			dir->lists_at = now;
		h->listing = true;
	}
	pthread_mutex_unlock(&s->nodes.lock);
}

static int new_handle(struct vs_req *r, int fd, bool keep, struct fuse_open_out *out)
{
	bool list = keep && begin_list(r->s, r->node);
	struct vs_handle *h;
	int result;

	result = vs_handle_new(&r->s->handles, r->node->id, fd, O_RDONLY, true, &out->fh);
	h = result < 0 ? NULL : vs_handle_get(&r->s->handles, out->fh, r->node->id, true);
	if (h)
		h->keeps = h->listing = list;
	vs_handle_put(&r->s->handles, h);
	out->open_flags = (keep ? FOPEN_KEEP_CACHE : 0) | (list ? FOPEN_CACHE_DIR : 0);
	return result;
}

int vs_opendir(struct vs_req *r)
{
	struct fuse_open_out *out = (struct fuse_open_out *)r->body;
	int path = vs_node_fd(&r->s->nodes, r->node), fd, result;

	if (path < 0)
		return path;
	do
		fd = openat(path, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	while (fd < 0 && errno == EMFILE && vs_nodes_shrink(&r->s->nodes));
	if (fd < 0)
		return -errno;
	if (r->s->cache == VS_CACHE_AUTO && r->node->watch < 0)
		vs_watch_node(r->s, r->node, path);
	*out = (struct fuse_open_out){0};
	result = new_handle(r, fd, r->s->cache == VS_CACHE_ALWAYS || r->node->watch >= 0, out);
	return result < 0 ? result : (int)sizeof *out;
}

int vs_releasedir(struct vs_req *r)
{
	const struct fuse_release_in *in = (const void *)r->arg;
	struct vs_handle *h = vs_handle_get(&r->s->handles, in->fh, r->h->nodeid, true);

	if (h)
		end_list(r->s, r->node, h);
	vs_handle_put(&r->s->handles, h);
	vs_handle_close(&r->s->handles, in->fh, r->h->nodeid, true);
	return 0;
}

/* The entry at the handle's place, or NULL: *error 0 at the end. */
static struct dirent64 *peek(struct vs_handle *h, int *error)
{
	*error = 0;
	if (!h->entries)
		h->entries = malloc(CHUNK);
	if (!h->entries) {
		*error = -ENOMEM;
		return NULL;
	}
	if (h->at >= h->filled) {
		long n = syscall(SYS_getdents64, h->fd, h->entries, CHUNK);

		if (n <= 0) {
			/* A directory that was removed meanwhile is an empty one. */
			*error = n < 0 && errno != ENOENT ? -errno : 0;
			return NULL;
		}
		h->at = 0;
		h->filled = (uint32_t)n;
	}
	return (struct dirent64 *)(h->entries + h->at);
}

static void take(struct vs_handle *h, const struct dirent64 *d)
{
	h->at += d->len;
	h->next = d->off;
}

static int go_to(struct vs_handle *h, off_t offset)
{
	if (offset == h->next)
		return 0;
	if (lseek(h->fd, offset, SEEK_SET) < 0)
		return -errno;
	h->at = h->filled = 0;
	h->next = offset;
	return 0;
}

static bool is_dots(const char *name)
{
	return name[0] == '.' && (!name[1] || (name[1] == '.' && !name[2]));
}

static void fill(
        const struct vs_req *r, const struct dirent64 *d, size_t name_len, struct fuse_dirent *out)
{
	bool dots = is_dots(d->name);

	*out = (struct fuse_dirent){
	        .ino = dots && r->h->nodeid == FUSE_ROOT_ID ? r->node->ino : d->ino,
	        .off = (uint64_t)d->off,
	        .namelen = (uint32_t)name_len,
	        .type = d->type};
	memcpy(out->name, d->name, name_len);
	memset(out->name + name_len, 0, FUSE_DIRENT_ALIGN(name_len) - name_len);
}

/* An entry with its attributes. It counts as looked up, so what does not fit must not come here. */
static void fill_plus(struct vs_req *r, const struct dirent64 *d, struct fuse_entry_out *out)
{
	struct vs_node *n;
	struct stat st;

	memset(out, 0, sizeof *out); /* node id 0: to be looked up when it is needed */
	if (is_dots(d->name) || vs_find(r->s, r->node, d->name, &n, &st) < 0)
		return;
	vs_fill_entry(r->s, r->node, n, &st, out);
	vs_node_put(&r->s->nodes, n);
}

static int read_entries(struct vs_req *r, struct vs_handle *h, uint32_t size, bool plus)
{
	size_t head = plus ? sizeof(struct fuse_entry_out) : 0, done = 0;
	struct dirent64 *d;
	int error;

	if (size > VS_DATA_MAX)
		size = VS_DATA_MAX;
	while ((d = peek(h, &error))) {
		size_t name_len = strlen(d->name);
		size_t need = head + FUSE_DIRENT_ALIGN(FUSE_NAME_OFFSET + name_len);
		char *to = r->body + done;

		if (done + need > size)
			break;
		if (plus)
			fill_plus(r, d, (struct fuse_entry_out *)to);
		fill(r, d, name_len, (struct fuse_dirent *)(to + head));
		take(h, d);
		done += need;
	}
	return done == 0 && error < 0 ? error : (int)done;
}

static int read_dir(struct vs_req *r, bool plus)
{
	const struct fuse_read_in *in = (const void *)r->arg;
	struct vs_handle *h = vs_handle_get(&r->s->handles, in->fh, r->h->nodeid, true);
	int result;

	if (!h)
		return vs_handle_error(&r->s->handles, in->fh);
	vs_mark(r, r->node);
	if (in->offset == 0)
		again(r->s, r->node, h);
	pthread_mutex_lock(&h->lock);
	result = go_to(h, (off_t)in->offset);
	if (result == 0)
		result = read_entries(r, h, in->size, plus);
	pthread_mutex_unlock(&h->lock);
	if (result == 0) /* the end: its list is complete */
		end_list(r->s, r->node, h);
	vs_handle_put(&r->s->handles, h);
	if (plus)
		r->valid = VS_ENTRIES;
	return result;
}

int vs_readdir(struct vs_req *r)
{
	return read_dir(r, false);
}

int vs_readdirplus(struct vs_req *r)
{
	return read_dir(r, true);
}
