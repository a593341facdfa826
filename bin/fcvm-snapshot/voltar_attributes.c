/* SPDX-License-Identifier: MIT */
#include "voltar.h"
#include "status.h"
#include "voltar_own.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

/* ACLs are attributes to the kernel, which also checks them, and knows whose ids are meant. */
bool voltar_has_xattr(const char *name)
{
	return !strncmp(name, "user.", 5) || !strcmp(name, "security.capability") ||
	       !strcmp(name, "system.posix_acl_access") ||
	       !strcmp(name, "system.posix_acl_default");
}

mode_t voltar_type(struct archive_entry *x)
{
	const char *name;
	const void *value;
	size_t n;

	if (archive_entry_filetype(x) != AE_IFREG)
		return archive_entry_filetype(x);
	archive_entry_xattr_reset(x);
	while (archive_entry_xattr_next(x, &name, &value, &n) == ARCHIVE_OK)
		if (!strcmp(name, VOLTAR_SOCKET))
			return S_IFSOCK;
	return S_IFREG;
}

/* Ids that the importer has not are a refusal, as podman's of an image with such: a program whose
 * files have become another's does not go on, and would say so only when it runs. */
static int set_owner(int dir, const char *name, int fd, struct archive_entry *x, struct err *e)
{
	int64_t uid = archive_entry_uid(x), gid = archive_entry_gid(x);
	const char *path = archive_entry_pathname(x);

	if (uid < 0 || uid >= UINT32_MAX || gid < 0 || gid >= UINT32_MAX)
		return err_set(e, FCVM_EX_DATA, "'%.100s' has an owner that cannot be", path);
	if (fchownat(fd >= 0 ? fd : dir, fd >= 0 ? "" : name, (uid_t)uid, (gid_t)gid,
	            AT_SYMLINK_NOFOLLOW | (fd >= 0 ? AT_EMPTY_PATH : 0)) == 0)
		return 0;
	if (errno != EINVAL && errno != EPERM)
		return err_sys(e, "cannot change the owner of '%.100s'", path);
	return err_set(e, FCVM_EX_FAIL,
	        "'%.100s' is of user %" PRId64 " and group %" PRId64
	        " of the container, and you have no ids for these: see /etc/subuid, /etc/subgid",
	        path, uid, gid);
}

static int set_xattrs(int fd, struct archive_entry *x, struct err *e)
{
	const char *name, *path = archive_entry_pathname(x);
	const void *value;
	size_t n;

	archive_entry_xattr_reset(x);
	while (archive_entry_xattr_next(x, &name, &value, &n) == ARCHIVE_OK) {
		if (fd < 0 && !strcmp(name, VOLTAR_SOCKET))
			continue;
		if (fd < 0 || !voltar_has_xattr(name))
			return err_set(e, FCVM_EX_DATA,
			        "'%.100s' has an attribute %.100s, which no volume's has", path,
			        name);
		if (fsetxattr(fd, name, value, n, 0) < 0)
			return err_sys(e, "cannot set %.100s of '%.100s'", name, path);
	}
	return 0;
}

/* The owner first, since a change of it takes set-user-id and capabilities away. */
int voltar_attributes(int dir, const char *name, int fd, struct archive_entry *x, struct err *e)
{
	const struct timespec times[2] = {{.tv_nsec = UTIME_OMIT},
	        {.tv_sec = archive_entry_mtime(x), .tv_nsec = archive_entry_mtime_nsec(x)}};
	const char *path = archive_entry_pathname(x);
	mode_t mode = archive_entry_perm(x) & 07777;
	int r = 0;

	if (set_owner(dir, name, fd, x, e) < 0)
		return -1;
	if (fd >= 0)
		r = fchmod(fd, mode);
	else if (archive_entry_filetype(x) != AE_IFLNK)
		r = fchmodat(dir, name, mode, 0);
	if (r < 0)
		return err_sys(e, "cannot change the mode of '%.100s'", path);
	if (set_xattrs(fd, x, e) < 0)
		return -1;
	r = fd >= 0 ? futimens(fd, times) : utimensat(dir, name, times, AT_SYMLINK_NOFOLLOW);
	return r < 0 ? err_sys(e, "cannot change the time of '%.100s'", path) : 0;
}
