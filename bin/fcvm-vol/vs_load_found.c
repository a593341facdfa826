/* SPDX-License-Identifier: MIT
 * Of a saved session what is no node in its place: names that the guest takes for missing, open
 * files that have another name or none. */
#include "cleanup.h"
#include "strv.h"
#include "vs_save.h"
#include "xio.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#define NAMES_MAX 100000 /* of a directory, looked through for a file */

static void load_missing(struct vs_loading *l, uint64_t id, const char *name, uint64_t told)
{
	struct vs_node *dir = id < l->n_was ? l->s->nodes.slots[id] : NULL;
	struct stat st;
	int fd;

	if (!dir || l->was[id].state != VS_FOUND || dir->type != S_IFDIR)
		return;
	fd = vs_node_fd(&l->s->nodes, dir);
	if (l->was[id].blind || fd < 0)
		vs_call_back_name(l, id, name);
	else if (fstatat(fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0 && errno == ENOENT)
		vs_told_missing(l->s, id, name);
	else /* the guest may have made it itself */
		vs_doubt(l->s, dir, name, told);
}

void vs_load_missing(struct vs_loading *l)
{
	uint32_t count = vs_get_u32(&l->u);

	for (uint32_t i = 0; i < count && !l->u.bad; i++) {
		uint64_t id = vs_get_u64(&l->u), told = vs_get_u64(&l->u);
		size_t n;
		const char *text = vs_get_blob(&l->u, VS_NAME_MAX, &n);
		auto_free char *name = text ? strndup(text, n) : NULL;

		if (name && n && vs_good_name(text, n))
			load_missing(l, id, name, told);
		else
			l->u.bad = true;
	}
}

void vs_give_file(struct vs_loading *l, uint64_t id, int fd)
{
	struct vs_nodes *t = &l->s->nodes;
	struct vs_node *n = id < l->n_was && id != FUSE_ROOT_ID ? t->slots[id] : NULL;
	auto_fd int file = fd;
	int path = n && n->type == S_IFREG && n->fd < 0 && l->was[id].state == VS_LOST
	                   ? open(vs_fdname(file).s, O_PATH | O_CLOEXEC)
	                   : -1;

	if (path < 0)
		return;
	n->fd = path;
	free(n->name);
	n->name = NULL; /* so it is never closed to be found again */
	t->open++;
}

static bool is_it(const struct vs_loading *l, const struct vs_node *n, int dir, const char *name)
{
	struct statx x;

	return statx(dir, name, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT,
	               STATX_BASIC_STATS | STATX_BTIME, &x) == 0 &&
	       x.stx_ino == n->ino && (x.stx_mode & S_IFMT) == n->type &&
	       makedev(x.stx_dev_major, x.stx_dev_minor) == n->dev &&
	       vs_same_birth(&l->was[n->id].born, &x);
}

/* The name of the node's file in that directory, or NULL. */
static char *name_in(const struct vs_loading *l, const struct vs_node *n, int dir)
{
	DIR *d = opendir_at(dir, ".");
	const struct dirent *ent;
	char *found = NULL;

	for (uint32_t i = 0; d && !found && i < NAMES_MAX && (ent = readdir(d)); i++)
		if (ent->d_ino == n->ino && is_it(l, n, dir, ent->d_name))
			found = xstrdup(ent->d_name);
	if (d)
		closedir(d);
	return found;
}

bool vs_search(struct vs_loading *l, struct vs_node *n)
{
	struct vs_nodes *t = &l->s->nodes;
	struct vs_node *dir = n->parent < l->n_was ? t->slots[n->parent] : NULL;
	auto_free char *name = NULL;
	struct stat st;
	int at = -1, fd = -1;

	if (n->name && !l->copied && l->was[n->id].state == VS_LOST && dir &&
	        l->was[dir->id].state == VS_FOUND)
		at = vs_node_fd(t, dir);
	name = at < 0 ? NULL : name_in(l, n, at);
	if (name)
		fd = openat(at, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (fd >= 0 && (fstat(fd, &st) < 0 || st.st_ino != n->ino || st.st_dev != n->dev)) {
		close(fd);
		fd = -1;
	}
	if (fd < 0)
		return false;
	vs_node_put(t, vs_node_of(t, fd, &st, dir->id, name, 0));
	return true;
}
