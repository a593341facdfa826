/* SPDX-License-Identifier: MIT
 * Whole reads and writes, and files that are never seen half-made. Functions return 0 (or a count)
 * and -errno. Descriptors they open are close-on-exec. */
#ifndef FCVM_XIO_H
#define FCVM_XIO_H

#include <dirent.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Descriptors that programs to come inherit are numbered from here: shells use the single digits,
 * and dash a few from 10 on. */
#define INHERITED_FD_MIN 20

/* Opens /dev/null in place of each of the descriptors 0, 1, 2 that the caller left closed, so that
 * no file opened later takes its number and is mistaken for it. First thing in main. */
void std_fds_open(void);

/* Reads until n bytes or the end; retries EINTR. Returns the count read, or -errno. */
ssize_t read_full(int fd, void *buf, size_t n);
/* Writes all n bytes; retries EINTR, and waits where somebody has made the descriptor non-blocking.
 * Returns 0 or -errno. */
int write_full(int fd, const void *buf, size_t n);
/* Writes all n bytes of a file at that place; retries EINTR. Returns 0 or -errno. */
int pwrite_full(int fd, const void *buf, size_t n, off_t at);

/* The whole file, NUL-terminated, in malloc'd *out (the caller frees). -EFBIG above max bytes. */
int read_file_at(int dirfd, const char *path, size_t max, char **out, size_t *len);

/* Writes the text into a file that is there, such as a setting in /proc or /sys. */
int write_existing(const char *path, const char *text);

/* Writes the file under a temporary name, syncs it and renames it into place. put_file_at() does
 * not sync: for what is worth nothing after a crash of the system. */
int write_file_at(int dirfd, const char *path, const void *data, size_t n, mode_t mode);
int put_file_at(int dirfd, const char *path, const void *data, size_t n, mode_t mode);

/* Creates the directory and its missing parents. An existing directory is success. */
int mkdir_p(const char *path, mode_t mode);

/* Creates a directory "PREFIX.XXXXXX" in dirfd with a random suffix (not the pid: pid namespaces
 * repeat those). name receives the name. */
int mkdtemp_at(int dirfd, const char *prefix, char *name, size_t size, mode_t mode);

/* The directory name of dirfd for readdir(3), no symbolic link, or NULL with errno set. closedir()
 * ends it. */
DIR *opendir_at(int dirfd, const char *name);

/* Removes name below dirfd with everything in it, never following a symbolic link. A name that
 * does not exist is success. */
int remove_tree_at(int dirfd, const char *name);

/* Copies the allocated extents of `from` to `to` (reflink where the file system can) and gives it
 * the same size. */
int copy_sparse(int from, int to);

/* Free bytes for this user on the file system that holds path; -errno as a negative value. */
int64_t disk_free(const char *path);

#endif
