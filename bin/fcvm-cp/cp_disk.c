/* SPDX-License-Identifier: MIT */
#include "cp_disk.h"
#include "cleanup.h"
#include "status.h"
#include "strv.h"
#include "xio.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

int disk_open(struct archive *out, int dir_fd, struct err *e)
{
	if (fchdir(dir_fd) < 0)
		return err_sys(e, "cannot enter the destination");
	archive_write_disk_set_options(out,
	        ARCHIVE_EXTRACT_TIME | ARCHIVE_EXTRACT_PERM | ARCHIVE_EXTRACT_SECURE_SYMLINKS |
	                ARCHIVE_EXTRACT_SECURE_NODOTDOT | ARCHIVE_EXTRACT_SECURE_NOABSOLUTEPATHS);
	return 0;
}

/* What the name is in, below the working directory and by no symbolic link; *base is the rest. */
static int open_parent(const char *name, const char **base)
{
	struct open_how how = {.flags = O_PATH | O_DIRECTORY | O_CLOEXEC,
	        .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS};
	const char *slash = strrchr(name, '/');
	auto_free char *dir = slash ? strndup(name, (size_t)(slash - name)) : xstrdup(".");

	*base = slash ? slash + 1 : name;
	return (int)syscall(SYS_openat2, AT_FDCWD, dir, &how, sizeof how);
}

int disk_clear(const char *name, bool dir, bool overwrite, struct err *e)
{
	const char *base;
	auto_fd int parent = open_parent(name, &base);
	struct stat st;
	int r;

	if (parent < 0 && errno == ELOOP)
		return err_set(
		        e, FCVM_EX_DATA, "%s: it would be written through a symbolic link", name);
	if (parent < 0)
		return errno == ENOENT ? 0 : err_sys(e, "%s", name);
	if (fstatat(parent, base, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : err_sys(e, "%s", name);
	if (S_ISDIR(st.st_mode) == dir)
		return 0;
	if (!overwrite)
		return err_set(e, FCVM_EX_FAIL,
		        "%s: it is there and is %s directory: see --overwrite", name,
		        dir ? "no" : "a");
	r = remove_tree_at(parent, base);
	if (r < 0) {
		errno = -r;
		return err_sys(e, "cannot remove %s", name);
	}
	return 0;
}

void disk_remove(const char *name)
{
	const char *base;
	auto_fd int parent = open_parent(name, &base);

	if (parent >= 0)
		unlinkat(parent, base, 0);
}
