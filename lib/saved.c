/* SPDX-License-Identifier: MIT */
#include "saved.h"
#include "cleanup.h"
#include "idmap.h"
#include "sha256.h"
#include "status.h"
#include "xio.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

json_t *saved_stamp(int fd)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return NULL;
	return json_pack("{s:I, s:I}", "size", (json_int_t)st.st_size, "mtime",
	        (json_int_t)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec);
}

bool saved_hash_is(int fd, const json_t *doc, const char *key)
{
	const char *want = json_string_value(json_object_get(doc, key));
	char hex[SHA256_HEX];

	return want && lseek(fd, 0, SEEK_SET) == 0 && sha256_fd(fd, hex) == 0 &&
	       !strcmp(hex, want) && lseek(fd, 0, SEEK_SET) == 0;
}

int saved_settle(int fd)
{
	const struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, {.tv_sec = time(NULL) - 2}};

	return fsync(fd) < 0 || futimens(fd, times) < 0 || fsync(fd) < 0 ? -errno : 0;
}

int saved_dir_new(int store, const char *prefix, char *name, size_t size, const char *what,
        const char *path, struct err *e)
{
	auto_fd int dir = -1;
	int r = mkdtemp_at(store, prefix, name, size, 0700);

	if (r < 0) {
		errno = -r;
		*name = 0;
		return err_sys(e, "cannot make %s in %s", what, path);
	}
	dir = openat(store, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0 || flock(dir, LOCK_EX | LOCK_NB) < 0)
		return err_sys(e, "cannot lock %s in %s", what, path);
	return steal_fd(&dir);
}

bool saved_is_abandoned(int store, const char *name)
{
	auto_fd int dir = openat(store, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);

	return dir >= 0 && flock(dir, LOCK_EX | LOCK_NB) == 0;
}

bool saved_has_prefix(const char *name, const char *prefix)
{
	return !strncmp(name, prefix, strlen(prefix));
}

static void volume_name(size_t i, char name[24])
{
	snprintf(name, 24, "volume-%zu", i);
}

int saved_volume_new(int dir, size_t i, struct err *e)
{
	char name[24];
	int fd = -1;

	volume_name(i, name);
	if (mkdirat(dir, name, 0700) == 0)
		fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return fd < 0 ? err_sys(e, "cannot make the %s of what is saved", name) : fd;
}

int saved_volume(int dir, size_t i, struct err *e)
{
	char name[24];
	int fd;

	volume_name(i, name);
	if (flock(dir, LOCK_SH | LOCK_NB) < 0)
		return err_set(e, FCVM_EX_NOTFOUND, "it was removed just now");
	fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return fd < 0 ? err_sys(e, "its %s", name) : fd;
}

int saved_drop(int store, const char *name)
{
	auto_fd int dir = openat(store, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);

	/* Who still takes files out of it has it locked: the next command will remove it. */
	if (dir >= 0 && flock(dir, LOCK_EX | LOCK_NB) < 0 && errno == EWOULDBLOCK)
		return 0;
	return remove_tree_mapped(store, name);
}

uint64_t saved_bytes(int dir)
{
	DIR *d = opendir_at(dir, ".");
	struct dirent *ent;
	uint64_t bytes = 0;
	struct stat st;

	while (d && (ent = readdir(d))) {
		auto_fd int below = -1;

		if (!strcmp(ent->d_name, ".") || !strcmp(ent->d_name, "..") ||
		        fstatat(dir, ent->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
			continue;
		if (S_ISREG(st.st_mode) && st.st_nlink == 1)
			bytes += (uint64_t)st.st_blocks * 512;
		if (S_ISDIR(st.st_mode))
			below = openat(
			        dir, ent->d_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
		if (below >= 0)
			bytes += saved_bytes(below);
	}
	if (d)
		closedir(d);
	return bytes;
}
