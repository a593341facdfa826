/* SPDX-License-Identifier: MIT */
#include "voltar.h"
#include "cleanup.h"
#include "links.h"
#include "status.h"
#include "strv.h"
#include "tarfile.h"
#include "voltar_own.h"
#include "xio.h"

#include <fcntl.h>
#include <limits.h>
#include <linux/limits.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

#define BLOCK 65536

struct out {
	struct tarfile file;
	int fd;
	uint64_t size;
	struct links links; /* under what they were written */
	size_t depth;
	char *names, *value; /* of attributes: XATTR_LIST_MAX and XATTR_SIZE_MAX bytes */
};

static int put_dir(struct out *o, int dir, const char *path, struct err *e);

static la_ssize_t put_block(struct archive *a, void *ctx, const void *data, size_t n)
{
	struct out *o = ctx;
	int r = o->fd < 0 ? 0 : write_full(o->fd, data, n);

	if (r < 0) {
		archive_set_error(a, -r, "%s", strerror(-r));
		return ARCHIVE_FATAL;
	}
	o->size += n;
	return (la_ssize_t)n;
}

/* The name it was written under before; NULL: this is the first one. */
static const char *other_name(struct out *o, const struct stat *st, const char *path)
{
	const char *first = S_ISDIR(st->st_mode) ? NULL : links_find(&o->links, st);

	if (!first && !S_ISDIR(st->st_mode))
		links_add(&o->links, st, path);
	return first;
}

/* The time of access is left out: reading a file for the archive changes it. */
static void describe(struct archive_entry *x, const struct stat *st, const char *path)
{
	archive_entry_copy_pathname(x, path);
	archive_entry_set_filetype(x, st->st_mode & S_IFMT);
	archive_entry_set_perm(x, st->st_mode & 07777);
	archive_entry_set_uid(x, st->st_uid);
	archive_entry_set_gid(x, st->st_gid);
	archive_entry_set_mtime(x, st->st_mtim.tv_sec, st->st_mtim.tv_nsec);
	archive_entry_set_size(x, 0);
	if (S_ISCHR(st->st_mode) || S_ISBLK(st->st_mode)) {
		archive_entry_set_rdevmajor(x, major(st->st_rdev));
		archive_entry_set_rdevminor(x, minor(st->st_rdev));
	}
	if (S_ISSOCK(st->st_mode)) {
		archive_entry_set_filetype(x, AE_IFREG);
		archive_entry_xattr_add_entry(x, VOLTAR_SOCKET, "1", 1);
	}
}

/* Of a file system without any there are none. */
static int put_xattrs(
        const struct out *o, struct archive_entry *x, int fd, const char *path, struct err *e)
{
	ssize_t n = flistxattr(fd, o->names, XATTR_LIST_MAX);

	if (n < 0 && errno != ENOTSUP)
		return err_sys(e, "cannot read the attributes of %s", path);
	for (const char *name = o->names; name < o->names + n; name += strlen(name) + 1) {
		ssize_t size;

		if (!voltar_has_xattr(name))
			continue;
		size = fgetxattr(fd, name, o->value, XATTR_SIZE_MAX);
		if (size < 0)
			return err_sys(e, "cannot read %s of %s", name, path);
		archive_entry_xattr_add_entry(x, name, o->value, (size_t)size);
	}
	return 0;
}

static int put_header(const struct out *o, struct archive_entry *x, struct err *e)
{
	return archive_write_header(o->file.a, x) == ARCHIVE_OK ? 0 : tarfile_failed(o->file.a, e);
}

static int put_link(
        const struct out *o, struct archive_entry *x, int dir, const char *name, struct err *e)
{
	char target[PATH_MAX];
	ssize_t n = readlinkat(dir, name, target, sizeof target - 1);

	if (n < 0)
		return err_sys(e, "cannot read %s", archive_entry_pathname(x));
	target[n] = 0;
	archive_entry_copy_symlink(x, target);
	return put_header(o, x, e);
}

/* What has contents: a file, or a directory with all that is below. */
static int put_opened(struct out *o, struct archive_entry *x, int dir, const char *name,
        const char *path, bool is_dir, struct err *e)
{
	auto_fd int fd =
	        openat(dir, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | (is_dir ? O_DIRECTORY : 0));

	if (fd < 0)
		return err_sys(e, "cannot open %s", path);
	if (put_xattrs(o, x, fd, path, e) < 0)
		return -1;
	if (!is_dir)
		return tarfile_put(&o->file, x, fd, path, e);
	if (o->depth == VOLTAR_DEPTH_MAX)
		return err_set(e, FCVM_EX_FAIL,
		        "%.100s...: more than %d directories below each other", path,
		        VOLTAR_DEPTH_MAX);
	return put_header(o, x, e) < 0 ? -1 : put_dir(o, fd, path, e);
}

static int put_entry(struct out *o, int dir, const char *name, const char *path, struct err *e)
{
	struct archive_entry *x;
	const char *other;
	struct stat st;
	int r;

	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return err_sys(e, "cannot read %s", path);
	if (strlen(path) > VOLTAR_NAME_MAX)
		return err_set(e, FCVM_EX_FAIL, "%.100s...: the path is too long", path);
	x = archive_entry_new();
	if (!x)
		abort();
	describe(x, &st, path);
	other = other_name(o, &st, path);
	if (other) {
		archive_entry_set_filetype(x, AE_IFREG);
		archive_entry_copy_hardlink(x, other);
		r = put_header(o, x, e);
	} else if (S_ISLNK(st.st_mode)) {
		r = put_link(o, x, dir, name, e);
	} else if (S_ISREG(st.st_mode) || S_ISDIR(st.st_mode)) {
		r = put_opened(o, x, dir, name, path, S_ISDIR(st.st_mode), e);
	} else {
		r = put_header(o, x, e);
	}
	archive_entry_free(x);
	return r;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Sorted, so that the same files give the same stream. */
static int put_dir(struct out *o, int dir, const char *path, struct err *e)
{
	auto_strv struct strv names = {0};
	DIR *d = opendir_at(dir, ".");
	const struct dirent *ent;
	int r = 0;

	if (!d)
		return err_sys(e, "cannot read %s", path);
	while ((ent = readdir(d)))
		if (strcmp(ent->d_name, ".") != 0 && strcmp(ent->d_name, "..") != 0)
			strv_add(&names, ent->d_name);
	closedir(d);
	if (names.n)
		qsort(names.v, names.n, sizeof *names.v, by_name);
	o->depth++;
	for (size_t i = 0; i < names.n && r == 0; i++) {
		auto_free char *below = xasprintf("%s%s%s", strcmp(path, ".") != 0 ? path : "",
		        strcmp(path, ".") != 0 ? "/" : "", names.v[i]);

		r = put_entry(o, dir, names.v[i], below, e);
	}
	o->depth--;
	return r;
}

/* Names are bytes to a container, whatever its locale. */
static int open_out(struct out *o, struct err *e)
{
	struct archive *a = o->file.a;

	if (archive_write_set_format_pax(a) < ARCHIVE_WARN ||
	        archive_write_set_options(a, "pax:hdrcharset=BINARY,pax:xattrheader=SCHILY") !=
	                ARCHIVE_OK)
		return tarfile_failed(a, e);
	archive_write_set_bytes_per_block(a, BLOCK);
	archive_write_set_bytes_in_last_block(a, 1);
	return archive_write_open(a, o, NULL, put_block, NULL) == ARCHIVE_OK ? 0
	                                                                     : tarfile_failed(a, e);
}

int voltar_write(int top, int fd, uint64_t *size, struct err *e)
{
	auto_free char *buf = xcalloc(1, TARFILE_CHUNK), *zeros = xcalloc(1, TARFILE_CHUNK);
	auto_free char *names = xcalloc(1, XATTR_LIST_MAX), *value = xcalloc(1, XATTR_SIZE_MAX);
	struct out o = {
	        .file = {.a = archive_write_new(), .buf = buf, .zeros = zeros, .blank = fd < 0},
	        .fd = fd,
	        .names = names,
	        .value = value};
	int r;

	if (!o.file.a)
		abort();
	r = open_out(&o, e);
	if (r == 0)
		r = put_entry(&o, top, ".", ".", e);
	if (r == 0 && archive_write_close(o.file.a) != ARCHIVE_OK)
		r = tarfile_failed(o.file.a, e);
	archive_write_free(o.file.a);
	links_free(&o.links);
	*size = o.size;
	return r;
}
