/* SPDX-License-Identifier: MIT */
#include "outfile.h"
#include "cleanup.h"
#include "failpoint.h"
#include "status.h"
#include "strv.h"
#include "xio.h"

#include <fcntl.h>
#include <inttypes.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>

static int taken(const struct outfile *f, struct err *e)
{
	return err_set(e, FCVM_EX_BUSY, "%s is there already: --force replaces it", f->name);
}

static int check_name(const struct outfile *f, const char *path, struct err *e)
{
	struct stat st;

	if (!*f->name || !strcmp(f->name, ".") || !strcmp(f->name, ".."))
		return err_set(e, FCVM_EX_USAGE, "%s is no name of a file", path);
	if (fstatat(f->dir, f->name, &st, 0) < 0)
		return errno == ENOENT ? 0 : err_sys(e, "cannot look at %s", path);
	if (!S_ISREG(st.st_mode))
		return err_set(e, FCVM_EX_USAGE, "%s is no plain file: - writes to stdout", path);
	return f->replace ? 0 : taken(f, e);
}

/* ".NAME.fcvm-": those of makers that are dead go. */
static void sweep(const struct outfile *f)
{
	auto_free char *prefix = xasprintf(".%s.fcvm-", f->name);
	auto_strv struct strv names = {0};
	DIR *d = opendir_at(f->dir, ".");
	struct dirent *ent;

	while (d && (ent = readdir(d)))
		if (!strncmp(ent->d_name, prefix, strlen(prefix)))
			strv_add(&names, ent->d_name);
	if (d)
		closedir(d);
	for (size_t i = 0; i < names.n; i++) {
		auto_fd int fd =
		        openat(f->dir, names.v[i], O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);

		if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0)
			unlinkat(f->dir, names.v[i], 0);
	}
}

static int choose_temporary(struct outfile *f)
{
	uint64_t random;

	if (getrandom(&random, sizeof random, 0) != (ssize_t)sizeof random)
		abort();
	if ((size_t)snprintf(f->temporary, sizeof f->temporary, ".%s.fcvm-%016" PRIx64, f->name,
	            random) < sizeof f->temporary)
		return 0;
	errno = ENAMETOOLONG;
	return -1;
}

static int make(struct outfile *f)
{
	f->fd = openat(f->dir, ".", O_RDWR | O_TMPFILE | O_CLOEXEC, 0600);
	if (f->fd < 0) {
		if (choose_temporary(f) < 0)
			return -1;
		f->fd = openat(f->dir, f->temporary, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
		if (f->fd < 0)
			*f->temporary = 0;
	}
	return f->fd < 0 ? -1 : flock(f->fd, LOCK_EX | LOCK_NB);
}

int outfile_open(struct outfile *f, const char *path, bool replace, struct err *e)
{
	const char *slash = strrchr(path, '/');
	auto_free char *dir =
	        slash ? xasprintf("%.*s", (int)(slash - path) + 1, path) : xstrdup(".");

	*f = (struct outfile){.fd = -1,
	        .name = xstrdup(slash ? slash + 1 : path),
	        .replace = replace,
	        .dir = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
	if (f->dir < 0)
		return err_sys(e, "cannot open the directory %s", dir);
	if (check_name(f, path, e) < 0)
		return -1;
	sweep(f);
	if (make(f) < 0)
		return err_sys(e, "cannot make %s", path);
	failpoint("export-begun");
	return 0;
}

static int link_as(const struct outfile *f, const char *name)
{
	char path[40];

	snprintf(path, sizeof path, "/proc/self/fd/%d", f->fd);
	return linkat(AT_FDCWD, path, f->dir, name, AT_SYMLINK_FOLLOW);
}

static int name_it(struct outfile *f)
{
	if (!*f->temporary && !f->replace)
		return link_as(f, f->name);
	if (!*f->temporary) {
		if (choose_temporary(f) < 0)
			return -1;
		if (link_as(f, f->temporary) < 0) {
			*f->temporary = 0;
			return -1;
		}
		failpoint("export-linked");
	}
	if (renameat2(f->dir, f->temporary, f->dir, f->name, f->replace ? 0 : RENAME_NOREPLACE) < 0)
		return -1;
	*f->temporary = 0;
	return 0;
}

int outfile_keep(struct outfile *f, struct err *e)
{
	if (fsync(f->fd) < 0)
		return err_sys(e, "cannot write %s", f->name);
	failpoint("export-synced");
	if (name_it(f) < 0)
		return errno == EEXIST ? taken(f, e) : err_sys(e, "cannot make %s", f->name);
	failpoint("export-renamed");
	return fsync(f->dir) < 0 ? err_sys(e, "cannot keep %s", f->name) : 0;
}

void outfile_end(struct outfile *f)
{
	if (*f->temporary)
		unlinkat(f->dir, f->temporary, 0);
	if (f->fd >= 0)
		close(f->fd);
	if (f->dir >= 0)
		close(f->dir);
	free(f->name);
	*f = (struct outfile)OUTFILE_NONE;
}
