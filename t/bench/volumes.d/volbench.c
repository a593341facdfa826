/* SPDX-License-Identifier: MIT
 * volbench DIR [TREE-DIRS]: works on DIR and prints a row a line, "NAME OPERATIONS-PER-SECOND" (for
 * bulk data MiB per second). What is read is checked. "cold" rows come after the guest's caches
 * were dropped; the host's stay warm, so that the transport is measured and not a disk. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define BULK    (64 << 20)
#define FILES   2000
#define PAIRS   500
#define RANDOM  2000
#define WRITES  2048
#define THREADS 16
#define PER_DIR 50

static void must(int good, const char *what)
{
	if (good)
		return;
	fprintf(stderr, "volbench: %s: %s\n", what, strerror(errno));
	exit(1);
}

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void row(const char *name, double amount, double since)
{
	printf("%s %.1f\n", name, amount / (now() - since));
	fflush(stdout);
}

static void drop_caches(void)
{
	int fd = open("/proc/sys/vm/drop_caches", O_WRONLY);

	sync();
	must(fd >= 0 && write(fd, "3", 1) == 1, "drop_caches");
	close(fd);
}

/* Every page begins with its number. */
static void fill(char *buf, size_t n, size_t at)
{
	for (size_t i = 0; i < n; i += 4096) {
		uint64_t page = (at + i) / 4096;

		memcpy(buf + i, &page, sizeof page);
	}
}

static void check(const char *buf, size_t n, size_t at)
{
	for (size_t i = 0; i < n; i += 4096) {
		uint64_t page;

		memcpy(&page, buf + i, sizeof page);
		errno = EIO;
		must(page == (at + i) / 4096, "data");
	}
}

static void bulk_write(const char *name, size_t chunk)
{
	char *buf = calloc(1, chunk);
	int fd = open("bulk", O_RDWR | O_CREAT | O_TRUNC, 0644);
	double t = now();

	for (size_t at = 0; at < BULK; at += chunk) {
		fill(buf, chunk, at);
		must(write(fd, buf, chunk) == (ssize_t)chunk, "write");
	}
	must(fsync(fd) == 0 && close(fd) == 0, "fsync");
	row(name, BULK >> 20, t);
	free(buf);
}

static void bulk_read(const char *name, size_t chunk)
{
	char *buf = malloc(chunk);
	int fd = open("bulk", O_RDONLY);
	double t = now();

	for (size_t at = 0; at < BULK; at += chunk) {
		must(read(fd, buf, chunk) == (ssize_t)chunk, "read");
		check(buf, chunk, at);
	}
	close(fd);
	row(name, BULK >> 20, t);
	free(buf);
}

static void small_io(void)
{
	char buf[4096] = "";
	int fd = open("small", O_RDWR | O_CREAT | O_TRUNC, 0644);
	uint32_t seed = 1;
	double t = now();

	for (size_t i = 0; i < WRITES; i++)
		must(write(fd, buf, sizeof buf) == sizeof buf, "write");
	must(fsync(fd) == 0 && close(fd) == 0, "fsync");
	row("write-4k", WRITES, t);
	drop_caches();
	fd = open("bulk", O_RDONLY);
	posix_fadvise(fd, 0, 0, POSIX_FADV_RANDOM);
	t = now();
	for (size_t i = 0; i < RANDOM; i++) {
		size_t at = ((seed = seed * 1664525 + 1013904223) >> 4) % (BULK / 4096) * 4096;

		must(pread(fd, buf, sizeof buf, (off_t)at) == sizeof buf, "pread");
		check(buf, sizeof buf, at);
	}
	row("random-read-4k-cold", RANDOM, t);
	close(fd);
}

static const char *numbered(char *name, const char *prefix, size_t i)
{
	snprintf(name, 40, "%s%zu", prefix, i);
	return name;
}

static void stat_all(const char *label)
{
	struct stat st;
	char name[40];
	double t = now();

	for (size_t i = 0; i < FILES; i++)
		must(stat(numbered(name, "many/f", i), &st) == 0, "stat");
	row(label, FILES, t);
}

static void list(const char *label, int with_stat)
{
	DIR *d = opendir("many");
	const struct dirent *ent;
	struct stat st;
	size_t n = 0;
	double t = now();

	must(d != NULL, "opendir");
	while ((ent = readdir(d))) {
		n++;
		must(!with_stat || fstatat(dirfd(d), ent->d_name, &st, 0) == 0, "fstatat");
	}
	must(n == FILES + 2, "readdir");
	row(label, (double)n, t);
	closedir(d);
}

static void metadata(void)
{
	char name[40];
	double t;

	must(mkdir("many", 0755) == 0, "mkdir");
	t = now();
	for (size_t i = 0; i < FILES; i++) {
		int fd = open(numbered(name, "many/f", i), O_WRONLY | O_CREAT | O_EXCL, 0644);

		must(fd >= 0 && write(fd, "x", 1) == 1 && close(fd) == 0, "create");
	}
	row("create-write-close", FILES, t);
	drop_caches();
	stat_all("stat-cold");
	stat_all("stat-warm");
	drop_caches();
	list("readdir-cold", 0);
	drop_caches();
	list("readdir-stat-cold", 1);
	list("readdir-stat-warm", 1);
	t = now();
	for (size_t i = 0; i < PAIRS; i++) {
		int fd = open(numbered(name, "many/new", i), O_WRONLY | O_CREAT | O_EXCL, 0644);

		must(fd >= 0 && close(fd) == 0 && unlink(name) == 0, "create and unlink");
	}
	row("create-unlink", PAIRS, t);
}

static void *reader(void *ctx)
{
	char name[40], buf[4096];

	for (size_t i = (size_t)ctx; i < FILES; i += THREADS) {
		int fd = open(numbered(name, "many/f", i), O_RDONLY);

		must(fd >= 0 && read(fd, buf, sizeof buf) == 1 && close(fd) == 0, "read");
	}
	return NULL;
}

static void parallel(void)
{
	pthread_t t[THREADS];
	double start;

	drop_caches();
	start = now();
	for (size_t i = 0; i < THREADS; i++)
		must(pthread_create(&t[i], NULL, reader, (void *)i) == 0, "pthread_create");
	for (size_t i = 0; i < THREADS; i++)
		pthread_join(t[i], NULL);
	row("16-threads-open-read-close-cold", FILES, start);
}

/* A tree as of an archive or of packages: dirs directories with PER_DIR small files each. */
static size_t walk(int at, const char *path, int remove)
{
	int fd = openat(at, path, O_RDONLY | O_DIRECTORY);
	DIR *d = fdopendir(fd);
	const struct dirent *ent;
	struct stat st;
	size_t n = 1;

	must(d != NULL, "opendir");
	while ((ent = readdir(d))) {
		if (!strcmp(ent->d_name, ".") || !strcmp(ent->d_name, ".."))
			continue;
		must(fstatat(fd, ent->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0, "fstatat");
		if (S_ISDIR(st.st_mode))
			n += walk(fd, ent->d_name, remove);
		else
			n++;
		if (remove)
			must(unlinkat(fd, ent->d_name, S_ISDIR(st.st_mode) ? AT_REMOVEDIR : 0) == 0,
			        "unlinkat");
	}
	closedir(d);
	return n;
}

/* What `git status` does where nothing has changed: each file that it knows by its path, then what
 * else is in the directories. */
static void status(size_t dirs)
{
	char dir[40], path[96];
	const struct dirent *ent;
	struct stat st;
	size_t n = 0;

	for (size_t i = 0; i < dirs * PER_DIR; i++) {
		snprintf(path, sizeof path, "%s/file%zu", numbered(dir, "tree/d", i / PER_DIR),
		        i % PER_DIR);
		must(lstat(path, &st) == 0, "lstat");
	}
	for (size_t i = 0; i < dirs; i++) {
		DIR *d = opendir(numbered(dir, "tree/d", i));

		must(d != NULL, "opendir");
		while ((ent = readdir(d)))
			n++;
		closedir(d);
	}
	must(n == dirs * (PER_DIR + 2), "readdir");
}

static void tree(size_t dirs)
{
	static const char data[2000];
	size_t n = dirs * (PER_DIR + 1) + 1;
	char dir[40], path[96];
	double t;

	must(mkdir("tree", 0755) == 0, "mkdir");
	t = now();
	for (size_t i = 0; i < dirs; i++) {
		must(mkdir(numbered(dir, "tree/d", i), 0755) == 0, "mkdir");
		for (size_t k = 0; k < PER_DIR; k++) {
			int fd;

			snprintf(path, sizeof path, "%s/file%zu", dir, k);
			fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0644);
			must(fd >= 0 && write(fd, data, sizeof data) == sizeof data &&
			                fchmod(fd, 0640) == 0 && close(fd) == 0,
			        "create");
		}
	}
	row("untar", (double)n, t);
	drop_caches();
	t = now();
	must(walk(AT_FDCWD, "tree", 0) == n, "find");
	row("find-cold", (double)n, t);
	t = now();
	must(walk(AT_FDCWD, "tree", 0) == n, "find");
	row("find-again", (double)n, t);
	t = now();
	status(dirs);
	row("git-status-like", (double)n, t);
	t = now();
	walk(AT_FDCWD, "tree", 1);
	row("rm-rf", (double)n, t);
}

int main(int argc, char **argv)
{
	must((argc == 2 || argc == 3) && chdir(argv[1]) == 0, "usage: volbench DIR [TREE-DIRS]");
	bulk_write("write-128k", 128 << 10);
	bulk_write("write-1m", 1 << 20);
	drop_caches();
	bulk_read("read-128k-cold", 128 << 10);
	bulk_read("read-128k-again", 128 << 10);
	drop_caches();
	bulk_read("read-1m-cold", 1 << 20);
	small_io();
	metadata();
	parallel();
	tree(argc == 3 ? (size_t)atoi(argv[2]) : 60);
	return 0;
}
