/* SPDX-License-Identifier: MIT */
#include "flatten.h"
#include "child.h"
#include "cleanup.h"
#include "emit.h"
#include "status.h"
#include "strv.h"
#include "xio.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/param.h>
#include <sys/stat.h>
#include <sys/sysinfo.h>

#define SPOOL_MAX ((uint64_t)2 << 30)

/* tar2sqfs keeps owners, modes, all three kinds of attributes, hard links to anything, devices and
 * every byte of a name; sqfstar of squashfs-tools 4.5 refuses pax headers with large owners. lz4
 * because the guest decompresses on every cold read, perhaps under emulation. */
static int start_packer(struct child *c, int in, const char *path, struct err *e)
{
	auto_free char *jobs = xasprintf("%d", get_nprocs());
	auto_strv struct strv argv = {0};

	strv_addl(&argv, "tar2sqfs", "-s", "-q", "-c", "lz4", "-j", jobs, path, NULL);
	if (child_start(c, argv.v, in, -1, e) < 0) {
		if (e && e->status == FCVM_EX_NOENT)
			err_set(e, FCVM_EX_SYS,
			        "cannot run tar2sqfs: install the package squashfs-tools-ng");
		return -1;
	}
	return 0;
}

static int pack(struct ftree *t, const struct cache_layer *layers, size_t n, const char *path,
        cache_tick *tick, struct err *e)
{
	struct err local = {0};
	struct child c;
	char line[400];
	int fds[2], r, st;

	if (pipe2(fds, O_CLOEXEC) < 0)
		return err_sys(e, "cannot make a pipe");
	fcntl(fds[1], F_SETPIPE_SZ, 1 << 20); /* fewer switches; the default will do too */
	r = start_packer(&c, fds[0], path, e);
	close(fds[0]);
	if (r < 0) {
		close(fds[1]);
		return -1;
	}
	r = emit_tree(t, layers, n, fds[1], tick, &local);
	if (r < 0 && *local.text) { /* ours: never let it finish a partial image */
		child_kill(&c);
		close(fds[1]);
		if (e)
			*e = local;
		return -1;
	}
	close(fds[1]);
	st = child_end(&c, line, sizeof line, e);
	if (st > 0 || (st == 0 && r < 0))
		return err_set(e, FCVM_EX_SYS, "tar2sqfs failed (status %d): %s", st, line);
	return st;
}

/* Layers are read twice; between the readings nobody may have changed them. */
static int snapshot(const struct cache_layer *layers, size_t n, struct stat *st, struct err *e)
{
	for (size_t i = 0; i < n; i++)
		if (fstat(layers[i].fd, &st[i]) < 0)
			return err_sys(e, "layer %s", layers[i].digest);
	return 0;
}

static int unchanged(
        const struct cache_layer *layers, size_t n, const struct stat *was, struct err *e)
{
	for (size_t i = 0; i < n; i++) {
		struct stat now;

		if (fstat(layers[i].fd, &now) < 0)
			return err_sys(e, "layer %s", layers[i].digest);
		if (now.st_size != was[i].st_size || now.st_mtim.tv_sec != was[i].st_mtim.tv_sec ||
		        now.st_mtim.tv_nsec != was[i].st_mtim.tv_nsec)
			return err_set(e, FCVM_EX_DATA, "layer %s: changed while it was read",
			        layers[i].digest);
	}
	return 0;
}

int flatten_layers(struct cache_layer *layers, size_t n, const struct flatten_limits *limits,
        const char *dir, const char *path, cache_tick *tick, struct err *e)
{
	int64_t space = disk_free(dir);
	struct layer_budget budget = {
	        .max_entries = limits->max_entries, .max_bytes = limits->max_bytes};
	auto_free struct stat *was = xcalloc(n + 1, sizeof *was);
	struct ftree t;
	int r;

	ftree_init(&t, &budget);
	r = snapshot(layers, n, was, e);
	if (!r)
		r = index_layers(&t, layers, n, dir,
		        space < 0 ? 0 : MIN((uint64_t)space / 4, SPOOL_MAX), tick, e);
	if (!r)
		r = pack(&t, layers, n, path, tick, e);
	if (!r)
		r = unchanged(layers, n, was, e);
	for (size_t i = 0; i < n; i++)
		if (layers[i].plain >= 0 && layers[i].plain != layers[i].fd)
			close(layers[i].plain);
	ftree_free(&t);
	return r;
}
