/* SPDX-License-Identifier: MIT
 * Every name is made below the descriptor of a directory that was made here, as one component, and
 * only where nothing is yet: so nothing is followed, and nothing replaced. */
#include "voltar.h"
#include "cleanup.h"
#include "page.h"
#include "status.h"
#include "strv.h"
#include "tarfile.h"
#include "voltar_own.h"
#include "xio.h"

#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#define BLOCK 65536

/* A directory that others may still come into. It gets its owner and time when it is complete. */
struct level {
	int fd;
	size_t len; /* of its path with a slash at the end, "" at the top */
	struct archive_entry *entry;
};

struct in {
	struct archive *a;
	struct voltar_room *room;
	struct level levels[VOLTAR_DEPTH_MAX + 1];
	size_t n;
	char path[VOLTAR_NAME_MAX + 2]; /* of the innermost */
};

static int damaged(const struct in *in, struct err *e)
{
	const char *why = archive_error_string(in->a);

	return err_set(e, FCVM_EX_DATA, "it is damaged: %s", why ? why : "unknown format");
}

static int take_room(const struct in *in, uint64_t n, struct err *e)
{
	in->room->over = n > in->room->bytes;
	if (in->room->over)
		return err_set(e, FCVM_EX_DATA, "it unpacks to more than the limit");
	in->room->bytes -= n;
	return 0;
}

/* --- names ----------------------------------------------------------------------------------- */

/* A path below the top as the writer spells it, without the slash that directories have behind
 * them; a new string, or NULL with e filled. */
static char *clean_name(const char *text, const char *what, struct err *e)
{
	size_t len = text ? strlen(text) : 0, n = 0;
	auto_free char *name = NULL;

	if (len && text[len - 1] == '/')
		len--;
	if (!len || len > VOLTAR_NAME_MAX) {
		err_set(e, FCVM_EX_DATA, "'%.100s' can be no %s", text ? text : "", what);
		return NULL;
	}
	name = strndup(text, len);
	if (!name)
		abort();
	for (const char *p = name; p <= name + len; p += n + 1) {
		n = strcspn(p, "/");
		if (n == 0 || n > NAME_MAX || (n == 2 && p[0] == '.' && p[1] == '.') ||
		        (n == 1 && *p == '.' && len > 1)) {
			err_set(e, FCVM_EX_DATA, "'%.100s' is no %s below its top", text, what);
			return NULL;
		}
	}
	return steal_ptr(name);
}

/* The directory of a path, whether it is complete or not. -1 with errno. */
static int open_parent(const struct in *in, const char *path, const char **base)
{
	int fd = fcntl(in->levels[0].fd, F_DUPFD_CLOEXEC, 0);
	const char *slash;

	for (; fd >= 0 && (slash = strchr(path, '/')); path = slash + 1) {
		auto_fd int above = fd;
		auto_free char *name = strndup(path, (size_t)(slash - path));

		if (!name)
			abort();
		fd = openat(above, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	}
	*base = path;
	return fd;
}

/* --- directories ----------------------------------------------------------------------------- */

static int enter(struct in *in, int fd, const char *name, struct archive_entry *x, struct err *e)
{
	struct level *l = &in->levels[in->n];
	size_t len = strlen(name);

	if (in->n > VOLTAR_DEPTH_MAX) {
		close(fd);
		return err_set(e, FCVM_EX_DATA,
		        "'%.100s': more than %d directories below each other", name,
		        VOLTAR_DEPTH_MAX);
	}
	*l = (struct level){.fd = fd, .entry = archive_entry_clone(x)};
	if (!l->entry)
		abort();
	if (in->n++) {
		memcpy(in->path, name, len);
		in->path[len] = '/';
		l->len = len + 1;
	}
	return 0;
}

static int leave(struct in *in, struct err *e)
{
	struct level *l = &in->levels[--in->n];
	int r = voltar_attributes(-1, NULL, l->fd, l->entry, e);

	close(l->fd);
	archive_entry_free(l->entry);
	return r;
}

/* The innermost directory becomes the one of that name: *base is what the name has in it. */
static int go_to(struct in *in, const char *name, const char **base, struct err *e)
{
	const char *slash = strrchr(name, '/');
	size_t len = slash ? (size_t)(slash - name) + 1 : 0;

	*base = name + len;
	while (in->n > 1) {
		const struct level *l = &in->levels[in->n - 1];

		if (l->len <= len && !memcmp(in->path, name, l->len))
			break;
		if (leave(in, e) < 0)
			return -1;
	}
	if (in->levels[in->n - 1].len != len)
		return err_set(e, FCVM_EX_DATA,
		        "'%.100s' does not come with what else is in its directory", name);
	return 0;
}

/* --- files ----------------------------------------------------------------------------------- */

static int cannot(const char *name, struct err *e)
{
	if (errno == EEXIST)
		return err_set(e, FCVM_EX_DATA, "it has '%.100s' twice", name);
	return err_sys(e, "cannot make '%.100s'", name);
}

static int contents(const struct in *in, int fd, const char *name, uint64_t size, struct err *e)
{
	uint64_t end = 0;
	const void *data;
	la_int64_t at;
	size_t n;
	int r;

	while ((r = archive_read_data_block(in->a, &data, &n, &at)) == ARCHIVE_OK) {
		if (at < 0 || (uint64_t)at < end || (uint64_t)at > size || n > size - (uint64_t)at)
			return err_set(
			        e, FCVM_EX_DATA, "'%.100s' has data where there can be none", name);
		if (take_room(in, n, e) < 0)
			return -1;
		end = (uint64_t)at + n;
		r = pwrite_full(fd, data, n, at);
		errno = -r;
		if (r < 0)
			return err_sys(e, "cannot write '%.100s'", name);
	}
	return r == ARCHIVE_EOF ? 0 : damaged(in, e);
}

static int make_file(const struct in *in, int dir, const char *base, const char *name,
        struct archive_entry *x, struct err *e)
{
	auto_fd int fd =
	        openat(dir, base, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	la_int64_t size = archive_entry_size(x);

	if (fd < 0)
		return cannot(name, e);
	if (size < 0 || ftruncate(fd, size) < 0)
		return err_sys(e, "cannot make '%.100s' of %lld bytes", name, (long long)size);
	return contents(in, fd, name, (uint64_t)size, e) < 0
	               ? -1
	               : voltar_attributes(-1, NULL, fd, x, e);
}

static int make_dir(struct in *in, int dir, const char *base, const char *name,
        struct archive_entry *x, struct err *e)
{
	int fd = -1;

	if (mkdirat(dir, base, 0700) == 0)
		fd = openat(dir, base, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return fd < 0 ? cannot(name, e) : enter(in, fd, name, x, e);
}

/* To a file that is in the stream already: there are no others below the top. */
static int make_link(const struct in *in, int dir, const char *base, const char *name,
        const char *link, struct err *e)
{
	auto_free char *to = clean_name(link, "file to be linked", e);
	const char *to_base;
	auto_fd int to_dir = to ? open_parent(in, to, &to_base) : -1;

	if (!to)
		return -1;
	if (to_dir >= 0 && linkat(to_dir, to_base, dir, base, 0) == 0)
		return 0;
	if (errno == EEXIST)
		return cannot(name, e);
	return err_set(e, FCVM_EX_DATA, "'%.100s' is a link to '%.100s', which is no file of it",
	        name, to);
}

static int make_special(
        int dir, const char *base, const char *name, struct archive_entry *x, struct err *e)
{
	mode_t type = voltar_type(x);
	bool device = type == S_IFCHR || type == S_IFBLK;
	dev_t dev = device ? makedev((unsigned)archive_entry_rdevmajor(x),
	                             (unsigned)archive_entry_rdevminor(x))
	                   : 0;

	if (type == S_IFLNK) {
		const char *to = archive_entry_symlink(x);

		if (!to || symlinkat(to, dir, base) < 0)
			return cannot(name, e);
	} else if (type != S_IFIFO && type != S_IFSOCK && !device) {
		return err_set(e, FCVM_EX_DATA, "'%.100s' is of an unknown type", name);
	} else if (mknodat(dir, base, type | 0600, dev) < 0) {
		return device && errno == EPERM
		               ? err_set(e, FCVM_EX_FAIL,
		                         "'%.100s' is a device, and only root may make it", name)
		               : cannot(name, e);
	}
	return voltar_attributes(dir, base, -1, x, e);
}

/* --- the stream ------------------------------------------------------------------------------ */

static int one(struct in *in, struct archive_entry *x, struct err *e)
{
	auto_free char *name = clean_name(archive_entry_pathname(x), "name", e);
	const char *base, *link = archive_entry_hardlink(x);
	mode_t type = voltar_type(x);
	int dir;

	if (!name || take_room(in, PAGE_BYTES, e) < 0)
		return -1;
	in->room->entries++;
	if (!strcmp(name, "."))
		return err_set(e, FCVM_EX_DATA, "it has its top twice");
	if ((link || type != S_IFREG) && archive_entry_size(x) > 0)
		return err_set(e, FCVM_EX_DATA, "'%.100s' has contents and is no file", name);
	if (go_to(in, name, &base, e) < 0)
		return -1;
	dir = in->levels[in->n - 1].fd;
	if (link)
		return make_link(in, dir, base, name, link, e);
	if (type == S_IFDIR)
		return make_dir(in, dir, base, name, x, e);
	if (type == S_IFREG)
		return make_file(in, dir, base, name, x, e);
	return make_special(dir, base, name, x, e);
}

static int first(struct in *in, int top, struct archive_entry *x, struct err *e)
{
	const char *name = archive_entry_pathname(x);
	int fd;

	if (!name || strcmp(name, "./") != 0 || archive_entry_filetype(x) != AE_IFDIR)
		return err_set(e, FCVM_EX_DATA, "it has '%.100s' where its top should be",
		        name ? name : "");
	fd = fcntl(top, F_DUPFD_CLOEXEC, 0);
	return fd < 0 ? err_sys(e, "cannot open its top") : enter(in, fd, "", x, e);
}

static int all(struct in *in, int top, struct err *e)
{
	struct archive_entry *x;
	int r, got;

	do {
		got = archive_read_next_header(in->a, &x);
		if (got == ARCHIVE_EOF && in->n > 0)
			break;
		if (got != ARCHIVE_OK)
			return damaged(in, e);
		r = in->n > 0 ? one(in, x, e) : first(in, top, x, e);
	} while (r == 0);
	while (r == 0 && in->n > 0)
		r = leave(in, e);
	return r;
}

/* What comes behind the end means nothing, but its writer waits until it is taken. */
static int drain(int fd, struct err *e)
{
	char buf[4096];
	ssize_t n;

	while ((n = read_full(fd, buf, sizeof buf)) > 0)
		;
	errno = (int)-n;
	return n < 0 ? err_sys(e, "cannot read it") : 0;
}

int voltar_read(int fd, int top, struct voltar_room *room, struct err *e)
{
	auto_free struct in *in = xcalloc(1, sizeof *in);
	int r;

	in->room = room;
	room->entries = 0;
	room->over = false;
	in->a = archive_read_new();
	if (!in->a)
		abort();
	archive_read_support_format_tar(in->a);
	r = archive_read_open_fd(in->a, fd, BLOCK) == ARCHIVE_OK ? all(in, top, e) : damaged(in, e);
	while (in->n > 0) {
		close(in->levels[--in->n].fd);
		archive_entry_free(in->levels[in->n].entry);
	}
	archive_read_free(in->a);
	return r == 0 ? drain(fd, e) : r;
}
