/* SPDX-License-Identifier: MIT */
#include "emit.h"
#include "lstream.h"
#include "status.h"
#include "strv.h"
#include "tarout.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct emit {
	struct tarout *out;
	struct err *e;
	struct finode **files; /* with content, in the order in which the layers hold them */
	size_t n_files;
	uint64_t done, total; /* bytes of content */
	cache_tick *tick;
};

static int failed(struct emit *m, int r)
{
	if (r == -EPIPE)
		return err_set(m->e, FCVM_EX_SYS, "%s", "");
	errno = -r;
	return err_sys(m->e, "cannot write the root file system");
}

static int put(struct emit *m, const struct fnode *n, char type, const char *link)
{
	char path[FTREE_PATH_MAX + 1];
	int r;

	ftree_path(n, path);
	r = tarout_entry(m->out, *path ? path : "./", &n->ino->e, type, link);
	return r ? failed(m, r) : 0;
}

static bool has_content(const struct finode *i)
{
	return i->e.type == '0' && i->e.size;
}

/* Directories and everything without content; files with content are collected. */
static int put_names(struct emit *m, struct ftree *t)
{
	size_t cap = 0;

	for (struct fnode *n = t->root; n; n = ftree_walk(n)) {
		struct finode *i = n->ino;

		if (i->first && !ftree_is_dir(n))
			continue; /* a further name: after its inode */
		i->first = n;
		if (!has_content(i)) {
			if (put(m, n, i->e.type, i->e.type == '2' ? i->e.link : NULL) < 0)
				return -1;
			continue;
		}
		if (m->n_files == cap) {
			cap = cap ? cap * 2 : 1024;
			m->files = realloc(m->files, cap * sizeof(struct finode *));
			if (!m->files)
				abort();
		}
		m->files[m->n_files++] = i;
		m->total += i->e.size;
	}
	return 0;
}

static int by_place(const void *pa, const void *pb)
{
	const struct finode *a = *(struct finode *const *)pa, *b = *(struct finode *const *)pb;

	if (a->layer != b->layer)
		return a->layer < b->layer ? -1 : 1;
	return a->ordinal < b->ordinal ? -1 : a->ordinal > b->ordinal;
}

static ssize_t next_block(void *ctx, const void **block, struct err *e)
{
	return lstream_next(ctx, block, e);
}

/* Straight from the uncompressed layer. */
static int copy_plain(struct emit *m, int fd, const struct finode *i)
{
	int r = put(m, i->first, '0', NULL);

	if (r < 0)
		return -1;
	r = tarout_copy(m->out, fd, i->e.offset, i->e.size);
	if (!r)
		r = tarout_pad(m->out, i->e.size);
	m->done += i->e.size;
	if (m->tick)
		m->tick("writing the root file system", m->done, m->total);
	return r ? failed(m, r) : 0;
}

static int copy_content(struct emit *m, struct ltar *in, const struct finode *i)
{
	const void *data;
	size_t n;
	int r = put(m, i->first, '0', NULL);

	if (r < 0)
		return -1;
	while ((r = ltar_data(in, &data, &n, m->e)) > 0) {
		r = tarout_data(m->out, data, n);
		if (r)
			return failed(m, r);
		m->done += n;
	}
	if (r < 0)
		return -1;
	r = tarout_pad(m->out, i->e.size);
	if (m->tick)
		m->tick("writing the root file system", m->done, m->total);
	return r ? failed(m, r) : 0;
}

/* The contents of files[0…n-1], all of one layer. */
static int put_entries(struct emit *m, struct ltar *in, struct finode **files, size_t n)
{
	const struct ltar_entry *ent;
	uint32_t ordinal = 0;
	int r;

	for (size_t i = 0; i < n; ordinal++) {
		r = ltar_next(in, &ent, m->e);
		if (r < 0)
			return -1;
		if (r == 0)
			return err_set(m->e, FCVM_EX_DATA, "changed while it was read");
		if (ordinal != files[i]->ordinal)
			continue;
		if (ent->type != '0' || ent->size != files[i]->e.size)
			return err_set(m->e, FCVM_EX_DATA, "changed while it was read");
		if (copy_content(m, in, files[i++]) < 0)
			return -1;
	}
	return 0;
}

static int put_layer(struct emit *m, int fd, struct finode **files, size_t n)
{
	struct lstream *s = lstream_open(fd, m->e);
	struct ltar *in;
	int r;

	if (!s)
		return -1;
	in = ltar_open(&(struct ltar_src){next_block, s});
	r = put_entries(m, in, files, n);
	ltar_close(in);
	lstream_close(s);
	return r;
}

static int put_contents(struct emit *m, const struct cache_layer *layers, size_t n_layers)
{
	size_t at = 0;

	if (m->n_files)
		qsort(m->files, m->n_files, sizeof(struct finode *), by_place);
	for (size_t l = 0; l < n_layers && at < m->n_files; l++) {
		size_t from = at;
		int r = 0;

		while (at < m->n_files && m->files[at]->layer == l + 1)
			at++;
		if (at == from)
			continue; /* nothing of this layer is left */
		if (layers[l].plain < 0)
			r = put_layer(m, layers[l].fd, m->files + from, at - from);
		for (size_t i = from; layers[l].plain >= 0 && i < at && !r; i++)
			r = copy_plain(m, layers[l].plain, m->files[i]);
		if (r < 0)
			return *m->e->text ? err_prefix(m->e, "layer %s", layers[l].digest) : -1;
	}
	return 0;
}

/* Further names of an inode, once the first is written. */
static int put_links(struct emit *m, struct ftree *t)
{
	char target[FTREE_PATH_MAX + 1];

	for (struct fnode *n = t->root; n; n = ftree_walk(n)) {
		if (n->ino->first == n || ftree_is_dir(n))
			continue;
		ftree_path(n->ino->first, target);
		if (put(m, n, '1', target) < 0)
			return -1;
	}
	return 0;
}

int emit_tree(struct ftree *t, const struct cache_layer *layers, size_t n, int fd, cache_tick *tick,
        struct err *e)
{
	struct emit m = {.out = tarout_open(fd), .e = e, .tick = tick};
	int r = put_names(&m, t);

	if (!r)
		r = put_contents(&m, layers, n);
	if (!r)
		r = put_links(&m, t);
	if (!r) {
		r = tarout_end(m.out);
		if (r)
			r = failed(&m, r);
	}
	tarout_close(m.out);
	free(m.files);
	return r;
}
