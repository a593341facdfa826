/* SPDX-License-Identifier: MIT */
#include "tree.h"
#include "modinfo.h"
#include "status.h"
#include "xio.h"

#include <dirent.h>
#include <fcntl.h>
#include <string.h>

#define DEPTH_MAX 16
#define TEXT_MAX  ((size_t)8 << 20)

static void closedir_(DIR **d)
{
	if (*d)
		closedir(*d);
}

static bool is_dir(int at, const struct dirent *ent)
{
	auto_fd int fd = -1;

	if (ent->d_type != DT_UNKNOWN)
		return ent->d_type == DT_DIR;
	fd = openat(at, ent->d_name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return fd >= 0;
}

static int walk(struct kmodset *set, int at, const char *path, unsigned depth, struct err *e)
{
	__attribute__((cleanup(closedir_))) DIR *d = opendir_at(at, path);
	struct dirent *ent;

	if (!d)
		return err_sys(e, "cannot open %s", path);
	while ((ent = readdir(d))) {
		auto_free char *name = NULL, *below = NULL;

		if (ent->d_name[0] == '.')
			continue;
		below = strcmp(path, ".") ? xasprintf("%s/%s", path, ent->d_name)
		                          : xstrdup(ent->d_name);
		if (is_dir(dirfd(d), ent)) {
			if (depth < DEPTH_MAX && walk(set, at, below, depth + 1, e) < 0)
				return -1;
			continue;
		}
		name = kmod_name(ent->d_name);
		if (name && ent->d_type != DT_LNK && !kmodset_add(set, below, e))
			return -1;
	}
	return 0;
}

/* DIR/lib/modules/RELEASE or DIR/usr/lib/modules/RELEASE, if there is exactly one release. */
static int descend(int fd)
{
	static const char *const places[] = {"lib/modules", "usr/lib/modules"};

	for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
		__attribute__((cleanup(closedir_))) DIR *d = opendir_at(fd, places[i]);
		auto_free char *only = NULL;
		struct dirent *ent;
		size_t n = 0;

		while (d && (ent = readdir(d))) {
			if (ent->d_name[0] == '.' || !is_dir(dirfd(d), ent))
				continue;
			free(only);
			only = xstrdup(ent->d_name);
			n++;
		}
		if (n == 1)
			return openat(
			        dirfd(d), only, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	}
	return -1;
}

static int take_text(
        int at, const char *name, struct kmodset *set, void (*take)(struct kmodset *, char *))
{
	auto_free char *text = NULL;
	int r = read_file_at(at, name, TEXT_MAX, &text, NULL);

	if (r == 0)
		take(set, text);
	return r;
}

int kernel_tree_read(const char *dir, struct kmodset *set, int *out_fd, struct err *e)
{
	auto_fd int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int deeper;

	if (fd < 0) {
		err_sys(e, "cannot open the directory of modules %s", dir);
		if (e && errno == ENOENT)
			e->status = FCVM_EX_NOTFOUND;
		return -1;
	}
	deeper = descend(fd);
	if (deeper >= 0) {
		close(fd);
		fd = deeper;
	}
	if (walk(set, fd, ".", 0, e) < 0)
		return err_prefix(e, "%s", dir);
	take_text(fd, "modules.builtin", set, kmodset_builtin);
	take_text(fd, "modules.dep", set, kmodset_dep);
	if (!set->n && !set->have_builtin)
		return err_set(e, FCVM_EX_DATA, "%s: holds no kernel modules", dir);
	*out_fd = steal_fd(&fd);
	return 0;
}

int kernel_tree_load(void *ctx, struct kmod *m, struct err *e)
{
	auto_free char *text = NULL;
	size_t n = 0;
	int r = read_file_at(*(const int *)ctx, m->path, KERNEL_MODULE_MAX, &text, &n);

	if (r < 0) {
		errno = -r;
		return err_sys(e, "cannot read module %s", m->path);
	}
	m->data.p = (uint8_t *)steal_ptr(text);
	m->data.n = n;
	return 0;
}
