/* SPDX-License-Identifier: MIT */
#include "xio.h"
#include "cleanup.h"
#include "strv.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

void std_fds_open(void)
{
	int fd = open("/dev/null", O_RDWR);

	while (fd >= 0 && fd <= 2)
		fd = dup(fd);
	if (fd > 2)
		close(fd);
}

ssize_t read_full(int fd, void *buf, size_t n)
{
	size_t done = 0;

	while (done < n) {
		ssize_t r = read(fd, (char *)buf + done, n - done);

		if (r < 0 && errno == EINTR)
			continue;
		if (r < 0)
			return -errno;
		if (r == 0)
			break;
		done += (size_t)r;
	}
	return (ssize_t)done;
}

int write_full(int fd, const void *buf, size_t n)
{
	const char *p = buf;

	while (n > 0) {
		ssize_t r = write(fd, p, n);

		if (r < 0 && errno == EAGAIN &&
		        poll(&(struct pollfd){.fd = fd, .events = POLLOUT}, 1, -1) >= 0)
			continue;
		if (r < 0 && errno == EINTR)
			continue;
		if (r < 0)
			return -errno;
		p += r;
		n -= (size_t)r;
	}
	return 0;
}

int pwrite_full(int fd, const void *buf, size_t n, off_t at)
{
	const char *p = buf;

	while (n > 0) {
		ssize_t r = pwrite(fd, p, n, at);

		if (r < 0 && errno == EINTR)
			continue;
		if (r <= 0)
			return r < 0 ? -errno : -EIO;
		p += r;
		at += r;
		n -= (size_t)r;
	}
	return 0;
}

int read_file_at(int dirfd, const char *path, size_t max, char **out, size_t *len)
{
	auto_fd int fd = openat(dirfd, path, O_RDONLY | O_CLOEXEC);
	auto_free char *buf = NULL;
	size_t size = 0, cap = 4096;

	if (fd < 0)
		return -errno;
	for (;;) {
		ssize_t r;
		char *bigger = realloc(buf, cap + 1);

		if (!bigger)
			return -ENOMEM;
		buf = bigger;
		r = read_full(fd, buf + size, cap - size);
		if (r < 0)
			return (int)r;
		size += (size_t)r;
		if (size > max)
			return -EFBIG;
		if (size < cap)
			break;
		cap *= 2;
	}
	buf[size] = 0;
	*out = steal_ptr(buf);
	if (len)
		*len = size;
	return 0;
}

int write_existing(const char *path, const char *text)
{
	auto_fd int fd = open(path, O_WRONLY | O_CLOEXEC);

	return fd < 0 ? -errno : write_full(fd, text, strlen(text));
}

/* Sixteen random characters that are safe in file names. */
static void random_suffix(char out[17])
{
	static const char set[] = "abcdefghijklmnopqrstuvwxyz012345";
	unsigned char raw[16];

	if (getrandom(raw, sizeof raw, 0) != sizeof raw)
		abort();
	for (size_t i = 0; i < sizeof raw; i++)
		out[i] = set[raw[i] % 32];
	out[16] = 0;
}

static int replace_file(
        int dirfd, const char *path, const void *data, size_t n, mode_t mode, bool sync)
{
	char suffix[17];
	auto_free char *tmp = NULL;
	auto_fd int fd = -1;
	int r;

	random_suffix(suffix);
	tmp = xasprintf("%s.%s.tmp", path, suffix);
	fd = openat(dirfd, tmp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
	if (fd < 0)
		return -errno;
	r = write_full(fd, data, n);
	if (!r && sync && fsync(fd) < 0)
		r = -errno;
	if (!r && renameat(dirfd, tmp, dirfd, path) < 0)
		r = -errno;
	if (r)
		unlinkat(dirfd, tmp, 0);
	return r;
}

int write_file_at(int dirfd, const char *path, const void *data, size_t n, mode_t mode)
{
	return replace_file(dirfd, path, data, n, mode, true);
}

int put_file_at(int dirfd, const char *path, const void *data, size_t n, mode_t mode)
{
	return replace_file(dirfd, path, data, n, mode, false);
}

int mkdir_p(const char *path, mode_t mode)
{
	auto_free char *copy = xstrdup(path);
	struct stat st;

	for (char *p = copy + 1; *p; p++) {
		if (*p != '/')
			continue;
		*p = 0;
		if (mkdir(copy, mode) < 0 && errno != EEXIST)
			return -errno;
		*p = '/';
	}
	if (mkdir(copy, mode) < 0 && errno != EEXIST)
		return -errno;
	if (stat(copy, &st) < 0)
		return -errno;
	return S_ISDIR(st.st_mode) ? 0 : -ENOTDIR;
}

int mkdtemp_at(int dirfd, const char *prefix, char *name, size_t size, mode_t mode)
{
	for (;;) {
		char suffix[17];

		random_suffix(suffix);
		if ((size_t)snprintf(name, size, "%s.%s", prefix, suffix) >= size)
			return -ENAMETOOLONG;
		if (mkdirat(dirfd, name, mode) == 0)
			return 0;
		if (errno != EEXIST)
			return -errno;
	}
}

DIR *opendir_at(int dirfd, const char *name)
{
	auto_fd int fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);

	if (d)
		steal_fd(&fd);
	return d;
}

/* Ends d. */
static int remove_entries(DIR *d)
{
	struct dirent *ent;
	int r = 0;

	while (!r && (ent = readdir(d)))
		if (strcmp(ent->d_name, ".") && strcmp(ent->d_name, ".."))
			r = remove_tree_at(dirfd(d), ent->d_name);
	closedir(d);
	return r;
}

int remove_tree_at(int dirfd, const char *name)
{
	DIR *d;
	int r;

	if (unlinkat(dirfd, name, 0) == 0 || errno == ENOENT)
		return 0;
	if (errno != EISDIR && errno != EPERM)
		return -errno;
	d = opendir_at(dirfd, name);
	if (!d)
		return errno == ENOENT ? 0 : -errno;
	r = remove_entries(d);
	if (r)
		return r;
	return unlinkat(dirfd, name, AT_REMOVEDIR) < 0 && errno != ENOENT ? -errno : 0;
}

static int copy_extent(int from, int to, off_t at, off_t end)
{
	while (at < end) {
		off_t in = at, out = at;
		ssize_t r = copy_file_range(from, &in, to, &out, (size_t)(end - at), 0);

		if (r < 0 && (errno == EXDEV || errno == EINVAL || errno == EOPNOTSUPP)) {
			char buf[65536];
			size_t want =
			        (size_t)(end - at) < sizeof buf ? (size_t)(end - at) : sizeof buf;

			r = pread(from, buf, want, at);
			if (r > 0)
				r = pwrite(to, buf, (size_t)r, at);
		}
		if (r < 0)
			return -errno;
		if (r == 0)
			return -EIO; /* the source shrank under us */
		at += r;
	}
	return 0;
}

int copy_sparse(int from, int to)
{
	struct stat st;
	off_t data = 0;

	if (fstat(from, &st) < 0 || ftruncate(to, st.st_size) < 0)
		return -errno;
	if (ioctl(to, FICLONE, from) == 0)
		return 0;
	while ((data = lseek(from, data, SEEK_DATA)) >= 0) {
		off_t hole = lseek(from, data, SEEK_HOLE);
		int r;

		if (hole < 0)
			return -errno;
		r = copy_extent(from, to, data, hole);
		if (r < 0)
			return r;
		data = hole;
	}
	return errno == ENXIO ? 0 : -errno;
}

int64_t disk_free(const char *path)
{
	struct statvfs sv;

	if (statvfs(path, &sv) < 0)
		return -errno;
	return (int64_t)(sv.f_bavail * sv.f_frsize);
}
