/* SPDX-License-Identifier: MIT */
#include "xio.h"
#include "cleanup.h"
#include "strv.h"
#include "tap.h"
#include "tmpdir.h"

#include <errno.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

static int make(const struct tmpdir *d, const char *name)
{
	int fd = openat(d->fd, name, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	if (fd < 0)
		abort();
	return fd;
}

/* A pipe gives and takes less than asked for. */
static void pipes(void)
{
	static char big[1 << 20], back[1 << 20];
	int p[2];
	pid_t pid;

	for (size_t i = 0; i < sizeof big; i++)
		big[i] = (char)(i * 31 >> 3);
	if (pipe2(p, O_CLOEXEC) < 0)
		abort();
	pid = fork();
	if (pid == 0)
		_exit(write_full(p[1], big, sizeof big) ? 1 : 0);
	close(p[1]);
	is_int(read_full(p[0], back, sizeof back), sizeof back, "a megabyte through a pipe");
	is_mem(back, sizeof back, big, sizeof big, "is the same");
	is_int(read_full(p[0], back, 10), 0, "the end is 0 bytes");
	close(p[0]);
	waitpid(pid, NULL, 0);
	is_int(read_full(-1, back, 1), -EBADF, "a read error is returned");
	is_int(write_full(-1, back, 1), -EBADF, "a write error is returned");
	if (pipe2(p, O_CLOEXEC) < 0)
		abort();
	close(p[0]);
	signal(SIGPIPE, SIG_IGN);
	is_int(write_full(p[1], big, 1), -EPIPE, "a reader that left is an error");
	close(p[1]);
}

/* A write that is cut short by a limit goes on, and so meets the limit's error. */
static void short_writes(const struct tmpdir *d)
{
	static const char data[2000];
	auto_fd int fd = make(d, "limited");
	pid_t pid = fork();
	struct stat st;
	int ws = 0;

	if (pid == 0) {
		struct rlimit limit = {1000, 1000};

		signal(SIGXFSZ, SIG_IGN);
		setrlimit(RLIMIT_FSIZE, &limit);
		_exit(write_full(fd, data, sizeof data) == -EFBIG ? 0 : 1);
	}
	waitpid(pid, &ws, 0);
	is_int(ws, 0, "a short write is not taken for a whole one");
	is_int(fstat(fd, &st) || st.st_size != 1000, 0, "what fits was written");
	unlinkat(d->fd, "limited", 0);
}

static void whole_files(const struct tmpdir *d)
{
	auto_free char *data = NULL, *big = xcalloc(1, 100000), *back = NULL;
	size_t n = 0;
	struct stat st;

	is_int(write_file_at(d->fd, "f", "a\0b", 3, 0640), 0, "a file is written");
	is_int(read_file_at(d->fd, "f", 3, &data, &n), 0, "and read, exactly at the limit");
	is_mem(data, n + 1, "a\0b", 4, "with a NUL behind it");
	is_int(fstatat(d->fd, "f", &st, 0), 0, "it exists");
	is_int(st.st_mode & 0777 & ~0640, 0, "with no more than the given mode");
	is_int(read_file_at(d->fd, "f", 2, &back, NULL), -EFBIG, "a byte above the limit");
	ok(!back, "gives nothing");
	is_int(read_file_at(d->fd, "none", 9, &back, NULL), -ENOENT, "a missing file");
	is_int(read_file_at(d->fd, ".", 9, &back, NULL), -EISDIR, "a directory");
	memset(big, 'x', 100000);
	is_int(write_file_at(d->fd, "f", big, 100000, 0600), 0, "a file is replaced");
	is_int(read_file_at(d->fd, "f", 100000, &back, &n), 0, "by a larger one");
	is_mem(back, n, big, 100000, "that is whole");
	is_int(write_file_at(d->fd, "no/f", "", 0, 0600), -ENOENT, "a missing folder");
	is_int(mkdirat(d->fd, "dir", 0700), 0, "(a directory in the way)");
	is_int(write_file_at(d->fd, "dir", "x", 1, 0600), -EISDIR, "cannot be replaced");
	is_int(tmpdir_count(d), 2, "and no temporary file is left");
}

static void directories(const struct tmpdir *d)
{
	auto_free char *deep = xasprintf("%s/a/b/c", d->path), *bad = xasprintf("%s/f/x", d->path);
	char one[64], two[64], tiny[8];

	is_int(mkdir_p(deep, 0700), 0, "parents are made");
	is_int(mkdir_p(deep, 0700), 0, "an existing directory is fine");
	is_int(faccessat(d->fd, "a/b/c", F_OK, 0), 0, "all of them are there");
	close(make(d, "f"));
	is_int(mkdir_p(bad, 0700), -ENOTDIR, "a file in the way is an error");
	bad[strlen(bad) - 2] = 0;
	is_int(mkdir_p(bad, 0700), -ENOTDIR, "also as the last part");
	is_int(mkdtemp_at(d->fd, "t", one, sizeof one, 0700), 0, "a temporary directory");
	is_int(mkdtemp_at(d->fd, "t", two, sizeof two, 0700), 0, "another");
	ok(strcmp(one, two) != 0 && !strncmp(one, "t.", 2), "have names of their own");
	is_int(mkdtemp_at(d->fd, "t", tiny, sizeof tiny, 0700), -ENAMETOOLONG,
	        "no room for a name");
}

static void removing(const struct tmpdir *d)
{
	auto_tmpdir struct tmpdir outside = tmpdir_make();

	close(make(&outside, "precious"));
	mkdirat(d->fd, "tree", 0700);
	mkdirat(d->fd, "tree/sub", 0700);
	close(make(d, "tree/sub/f"));
	is_int(symlinkat(outside.path, d->fd, "tree/link"), 0, "(a link out of the tree)");
	is_int(symlinkat(outside.path, d->fd, "toplink"), 0, "(and one beside it)");
	is_int(remove_tree_at(d->fd, "tree"), 0, "a tree is removed");
	is_int(faccessat(d->fd, "tree", F_OK, 0), -1, "and gone");
	is_int(remove_tree_at(d->fd, "toplink"), 0, "a link is removed as such");
	is_int(faccessat(outside.fd, "precious", F_OK, 0), 0, "and never followed");
	is_int(remove_tree_at(d->fd, "tree"), 0, "what does not exist is removed");
	is_int(remove_tree_at(d->fd, "f"), 0, "a file is removed");
}

static void copying(const struct tmpdir *d)
{
	auto_fd int from = make(d, "from"), to = make(d, "to");
	char buf[6] = "";
	struct stat st;

	is_int(ftruncate(from, 64 << 20), 0, "(a sparse file of 64 MiB)");
	is_int(pwrite(from, "start", 5, 0), 5, "(something at its start)");
	is_int(pwrite(from, "inner", 5, (32 << 20) + 123), 5, "(and inside)");
	is_int(pwrite(to, "old", 3, 1 << 20), 3, "(the target is not empty)");
	is_int(ftruncate(to, 0), 0, "(but cut)");
	is_int(copy_sparse(from, to), 0, "it is copied");
	is_int(fstat(to, &st), 0, "the copy is there");
	is_int(st.st_size, 64 << 20, "as large");
	ok(st.st_blocks < 2048, "but takes little room (%jd blocks)", (intmax_t)st.st_blocks);
	ok(pread(to, buf, 5, 0) == 5 && !strcmp(buf, "start"), "its start is the same");
	ok(pread(to, buf, 5, (32 << 20) + 123) == 5 && !strcmp(buf, "inner"), "and its inside");
	is_int(ftruncate(from, 0) || copy_sparse(from, to), 0, "an empty file is copied");
	is_int(fstat(to, &st) || st.st_size, 0, "and empty");
}

static void space(const struct tmpdir *d)
{
	ok(disk_free(d->path) > 0, "there is space");
	is_int(disk_free("/no/such/place"), -ENOENT, "nowhere there is none");
}

int main(void)
{
	auto_tmpdir struct tmpdir a = tmpdir_make();
	auto_tmpdir struct tmpdir b = tmpdir_make();

	pipes();
	short_writes(&a);
	whole_files(&a);
	directories(&b);
	removing(&b);
	copying(&b);
	space(&b);
	return done();
}
