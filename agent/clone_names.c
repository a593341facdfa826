/* SPDX-License-Identifier: MIT */
#include "clone_names.h"
#include "cleanup.h"
#include "guest_net.h"
#include "strv.h"
#include "xio.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#define HOSTS_MAX ((size_t)1 << 20)
#define PAGE      4096

enum { HOSTS, HOSTNAME };
static const char *const paths[] = {"/etc/hosts", "/etc/hostname"};

/* A plain file that is not a volume's, which would not be the clone's alone. */
static int open_file(const char *path, struct statfs *fs)
{
	auto_fd int fd = open(path, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || fstatfs(fd, fs) < 0 ||
	        fs->f_type == FUSE_SUPER_MAGIC)
		return -1;
	return steal_fd(&fd);
}

static void find_file(struct clone_name_file *f, const char *path)
{
	struct statfs fs;
	void *page;

	f->fd = open_file(path, &fs);
	if (f->fd < 0 || fs.f_type != TMPFS_MAGIC)
		return;
	page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, f->fd, 0);
	if (page != MAP_FAILED)
		f->page = page;
}

/* An empty file has no page to touch. A write that changes nothing: then the page is there to be
 * written, and others may write meanwhile. */
static void touch(const struct clone_name_file *f)
{
	struct stat st;

	if (f->page && fstat(f->fd, &st) == 0 && st.st_size > 0)
		__atomic_fetch_or(f->page, 0, __ATOMIC_SEQ_CST);
}

/* Whether the page is still all of what is there under that path; *size: how much that is. */
static bool in_memory(const struct clone_name_file *f, const char *path, size_t *size)
{
	struct stat st, now;

	if (!f->page || stat(path, &now) < 0 || fstat(f->fd, &st) < 0 || st.st_ino != now.st_ino ||
	        st.st_dev != now.st_dev || st.st_size > PAGE)
		return false;
	*size = (size_t)st.st_size;
	return true;
}

/* What it has now; *n bytes. Freed by the caller; NULL: nothing. */
static char *content(const struct clone_name_file *f, const char *path, size_t *n)
{
	char *text = NULL;

	if (in_memory(f, path, n)) {
		text = xcalloc(1, *n + 1);
		memcpy(text, f->page, *n);
	} else if (read_file_at(AT_FDCWD, path, HOSTS_MAX, &text, n) < 0) {
		text = NULL;
	}
	return text;
}

static int by_path(const char *path, const char *text, size_t n)
{
	struct statfs fs;
	auto_fd int fd = open_file(path, &fs);

	return fd < 0 || ftruncate(fd, 0) < 0 ? -1 : write_full(fd, text, n);
}

/* Its size is changed only where that is another one. */
static void rewrite(const struct clone_name_file *f, const char *path, const char *text, size_t n)
{
	size_t size;

	/* An empty one has no page yet, for which there may be no room. */
	if (n > PAGE || !in_memory(f, path, &size) || size == 0) {
		by_path(path, text, n);
		return;
	}
	if (n > size && ftruncate(f->fd, (off_t)n) < 0)
		return;
	memcpy(f->page, text, n);
	if (n < size)
		(void)!ftruncate(f->fd, (off_t)n);
}

/* The length of the address in a line that has the machine's own name, else 0. */
static size_t own_line(const char *line, const char *old)
{
	static const char *const own[] = {GUEST_IP4, "127.0.1.1"};
	size_t used = strlen(old);

	for (size_t i = 0; i < 2; i++) {
		size_t ip = strlen(own[i]);
		const char *name = line + ip + 1;

		if (!strncmp(line, own[i], ip) && line[ip] == '\t' && !strncmp(name, old, used) &&
		        (name[used] == '\n' || name[used] == ' '))
			return ip;
	}
	return 0;
}

/* The line that has the machine's own name gets the new one; what the user wrote stays. Malloc'd,
 * *n bytes; NULL: there is nothing. */
static char *changed_hosts(
        const struct clone_name_file *f, const char *name, const char *old, size_t *n)
{
	size_t size = strlen(name), room = size + 2, at = 0;
	auto_free char *hosts = content(f, paths[HOSTS], n);
	char *out;

	if (!hosts)
		return NULL;
	for (size_t i = 0; i < *n; i++)
		room += hosts[i] == '\n' ? size + 1 : 1;
	out = xcalloc(1, room);
	for (char *line = hosts, *end; *line; line = end) {
		size_t ip = own_line(line, old);

		end = line + strcspn(line, "\n");
		end += *end == '\n';
		memcpy(out + at, line, ip ? ip + 1 : (size_t)(end - line));
		at += ip ? ip + 1 : (size_t)(end - line);
		if (!ip)
			continue;
		memcpy(out + at, name, size);
		at += size;
		out[at++] = '\n';
	}
	*n = at;
	return out;
}

void clone_names_find(struct clone_names *c)
{
	size_t n;

	for (size_t i = 0; i < 2; i++) {
		find_file(&c->files[i], paths[i]);
		touch(&c->files[i]);
	}
	/* The memory that this takes is there as well, where there may be none to be had later. */
	free(changed_hosts(&c->files[HOSTS], "", "", &n));
}

int clone_names_change(const struct clone_names *c, const char *name, const char *old)
{
	auto_free char *line = NULL, *hosts = NULL;
	size_t n = strlen(name), n_hosts = 0;

	if (!*name || !strcmp(name, old))
		return 0;
	line = xcalloc(1, n + 2);
	memcpy(line, name, n);
	line[n] = '\n';
	hosts = changed_hosts(&c->files[HOSTS], name, old, &n_hosts);
	if (hosts && n_hosts)
		rewrite(&c->files[HOSTS], paths[HOSTS], hosts, n_hosts);
	rewrite(&c->files[HOSTNAME], paths[HOSTNAME], line, n + 1);
	return sethostname(name, n);
}
