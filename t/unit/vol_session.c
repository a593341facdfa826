/* SPDX-License-Identifier: MIT
 * A raw client of a volume's server, which runs beside it in a thread: what an honest guest gets,
 * and that a hostile one gets nothing but the end of its session. */
#include "cleanup.h"
#include "tap.h"
#include "volclient.h"

/* The session ends: nothing is answered. */
static void ends(const struct tmpdir *d, const char *what, uint32_t opcode, uint64_t node,
        const void *body, size_t n)
{
	struct client *c = malloc(sizeof *c);

	begin(c, d, false);
	ok(!ask(c, opcode, node, body, n), "ends the session: %s", what);
	stop(c);
	free(c);
}

static void raw_ends(
        const struct tmpdir *d, const char *what, bool hello, const void *bytes, size_t n, bool cut)
{
	struct client *c = malloc(sizeof *c);
	char byte;

	prepare(c, d, false, VS_CACHE_AUTO);
	run(c);
	ok(!hello || greet(c), "hello before: %s", what);
	put(c, bytes, n);
	if (cut)
		shutdown(c->wire, SHUT_WR);
	while (take(c, &byte, 1))
		;
	ok(!take(c, &byte, 1), "ends: %s", what);
	stop(c);
	free(c);
}

static void bad_names(const struct tmpdir *d)
{
	ends(d, "the name ..", FUSE_LOOKUP, 1, "..", 3);
	ends(d, "the name .", FUSE_LOOKUP, 1, ".", 2);
	ends(d, "an empty name", FUSE_LOOKUP, 1, "", 1);
	ends(d, "a name with a slash", FUSE_LOOKUP, 1, "../beside", 10);
	ends(d, "an absolute name", FUSE_UNLINK, 1, "/etc/passwd", 12);
	ends(d, "a name without an end", FUSE_LOOKUP, 1, "dir", 3);
	ends(d, "no name", FUSE_RMDIR, 1, "", 0);
	ends(d, "one name of two", FUSE_RENAME, 1, "\1\0\0\0\0\0\0\0a", 10);
	ends(d, "a second name with a slash", FUSE_RENAME, 1, "\1\0\0\0\0\0\0\0a\0../b", 15);
}

static void bad_messages(const struct tmpdir *d)
{
	const struct fuse_in_header early = {
	        .len = sizeof early, .opcode = FUSE_STATFS, .nodeid = 1};
	const struct fuse_in_header huge = {.len = 0x7fffffff, .opcode = FUSE_WRITE};
	const struct fuse_in_header tiny = {.len = 3, .opcode = FUSE_STATFS};
	const struct fuse_write_in lie = {.size = 1 << 20};
	const struct fuse_batch_forget_in many = {.count = 0xffffffff};
	const struct fuse_forget_in much = {.nlookup = 1000};

	raw_ends(d, "a request before INIT", true, &early, sizeof early, false);
	raw_ends(d, "a message of 2 GiB", true, &huge, sizeof huge, false);
	raw_ends(d, "a message of 3 bytes", true, &tiny, sizeof tiny, false);
	raw_ends(d, "half a header", true, &early, 20, true);
	raw_ends(d, "no hello", false, "GET / HTTP/1.0\r\n", 16, false);
	raw_ends(d, "another version", false, "FCVMVOL1\2\0\0\0\0\0\0\0", 16, false);
	raw_ends(d, "half a hello", false, "FCVM", 4, true);
	ends(d, "arguments cut short", FUSE_GETATTR, 1, "abc", 4);
	ends(d, "a WRITE that says more than it has", FUSE_WRITE, 1, &lie, sizeof lie);
	ends(d, "more forgotten than the message holds", FUSE_BATCH_FORGET, 0, &many, sizeof many);
	ends(d, "more forgotten than looked up", FUSE_FORGET, 77, &much, sizeof much);
	ends(d, "a second INIT", FUSE_INIT, 0, &(struct fuse_init_in){.major = 7, .minor = 38},
	        sizeof(struct fuse_init_in));
}

static void forged(const struct tmpdir *d)
{
	struct client *c = malloc(sizeof *c);
	struct fuse_getattr_in attr = {0};
	struct fuse_read_in rd = {.fh = 0x4141414141414141, .size = 100};
	struct fuse_open_in op = {0};
	uint64_t pipe_id, link_id;
	char longest[300];

	begin(c, d, false);
	ask(c, FUSE_GETATTR, 0x4141414141414141, &attr, sizeof attr);
	is_int(c->error, -ESTALE, "a node that was never given");
	ask(c, FUSE_GETATTR, 0, &attr, sizeof attr);
	is_int(c->error, -ESTALE, "node 0");
	ask(c, FUSE_READ, 1, &rd, sizeof rd);
	is_int(c->error, -EBADF, "a handle that was never given");
	pipe_id = look(c, 1, "pipe");
	ask(c, FUSE_OPEN, pipe_id, &op, sizeof op);
	is_int(c->error, -ENXIO, "a FIFO is not opened, which would wait");
	link_id = look(c, 1, "link");
	ok(!look(c, link_id, "x") && c->error == -ENOTDIR, "a symbolic link is no directory");
	ask(c, FUSE_OPEN, link_id, &op, sizeof op);
	is_int(c->error, -ENXIO, "nor is it followed");
	memset(longest, 'a', sizeof longest);
	longest[sizeof longest - 1] = 0;
	ok(!look(c, 1, longest) && c->error == -ENAMETOOLONG, "a name of 299 bytes");
	ask(c, 200, 1, "", 0);
	is_int(c->error, -ENOSYS, "a request of the future");
	ok(look(c, 1, "dir") != 0, "and the session goes on");
	stop(c);
	free(c);
}

static void refused(struct client *c, const char *what, uint32_t opcode, const void *body, size_t n)
{
	ok(ask(c, opcode, 1, body, n) && c->error == -EROFS, "read-only: %s", what);
}

static void readonly(const struct tmpdir *d)
{
	struct client *c = malloc(sizeof *c);
	struct fuse_open_in wr = {.flags = O_WRONLY}, trunc = {.flags = O_TRUNC}, rd = {0};
	struct fuse_setattr_in attr = {.valid = FATTR_MODE};
	uint64_t file;

	begin(c, d, true);
	refused(c, "mkdir", FUSE_MKDIR, "\0\0\0\0\0\0\0\0new", 12);
	refused(c, "mknod", FUSE_MKNOD, "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0new", 20);
	refused(c, "symlink", FUSE_SYMLINK, "new\0to", 7);
	refused(c, "create", FUSE_CREATE, "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0new", 20);
	refused(c, "unlink", FUSE_UNLINK, "file", 5);
	refused(c, "rmdir", FUSE_RMDIR, "dir", 4);
	refused(c, "rename", FUSE_RENAME, "\1\0\0\0\0\0\0\0file\0f2", 16);
	refused(c, "rename2", FUSE_RENAME2, "\1\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0file\0f2", 24);
	refused(c, "link", FUSE_LINK, "\1\0\0\0\0\0\0\0new", 12);
	refused(c, "setattr", FUSE_SETATTR, &attr, sizeof attr);
	refused(c, "setxattr", FUSE_SETXATTR, "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0user.x", 23);
	refused(c, "removexattr", FUSE_REMOVEXATTR, "user.x", 7);
	refused(c, "write", FUSE_WRITE, &(struct fuse_write_in){0}, sizeof(struct fuse_write_in));
	refused(c, "fallocate", FUSE_FALLOCATE, &(struct fuse_fallocate_in){0},
	        sizeof(struct fuse_fallocate_in));
	refused(c, "copy_file_range", FUSE_COPY_FILE_RANGE, &(struct fuse_copy_file_range_in){0},
	        sizeof(struct fuse_copy_file_range_in));
	file = look(c, 1, "file");
	ok(ask(c, FUSE_OPEN, file, &wr, sizeof wr) && c->error == -EROFS,
	        "read-only: open to write");
	ok(ask(c, FUSE_OPEN, file, &trunc, sizeof trunc) && c->error == -EROFS,
	        "read-only: open with O_TRUNC");
	ok(ask(c, FUSE_OPEN, file, &rd, sizeof rd) && !c->error, "open to read is not refused");
	stop(c);
	free(c);
}

static void new_session(const struct tmpdir *d)
{
	struct client *c = malloc(sizeof *c);
	struct fuse_getattr_in attr = {0};
	uint64_t dir;

	begin(c, d, false);
	dir = look(c, 1, "dir");
	ok(dir > 1, "a node in the first session");
	ok(greet(c) && init(c), "a hello between two messages begins another");
	ask(c, FUSE_GETATTR, dir, &attr, sizeof attr);
	is_int(c->error, -ESTALE, "which knows nothing of the first");
	stop(c);
	free(c);
}

static void forgets(const struct tmpdir *d)
{
	struct client *c = malloc(sizeof *c);
	struct fuse_forget_in twice = {.nlookup = 2};
	struct fuse_getattr_in attr = {0};
	uint64_t dir;

	begin(c, d, false);
	dir = look(c, 1, "dir");
	is_int(look(c, 1, "dir"), (intmax_t)dir, "one file is one node");
	say(c, FUSE_FORGET, dir, &twice, sizeof twice);
	ask(c, FUSE_GETATTR, dir, &attr, sizeof attr);
	is_int(c->error, -ESTALE, "what is forgotten is gone");
	is_int(c->vs.nodes.live, 1, "and takes no memory");
	stop(c);
	free(c);
}

/* The one that is forgotten last has the highest number. */
static void table_shrinks(const struct tmpdir *d)
{
	enum { FILES = 3000, LEFT = 10 };
	struct client *c = malloc(sizeof *c);
	struct fuse_forget_in once = {.nlookup = 1};
	struct fuse_getattr_in attr = {0};
	uint64_t *ids = calloc(FILES, sizeof *ids), dir;
	char name[16];

	begin(c, d, false);
	dir = look(c, 1, "many");
	for (int i = 0; i < FILES; i++) {
		int fd;

		snprintf(name, sizeof name, "%d", i);
		fd = openat(c->vs.root, "many", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		write_file_at(fd, name, "", 0, 0644);
		close(fd);
		ids[i] = look(c, dir, name);
	}
	for (int i = LEFT; i < FILES - 1; i++)
		say(c, FUSE_FORGET, ids[i], &once, sizeof once);
	ask(c, FUSE_GETATTR, dir, &attr, sizeof attr);
	ok(c->vs.nodes.n_slots > FILES, "the highest number keeps the table large");
	say(c, FUSE_FORGET, ids[FILES - 1], &once, sizeof once);
	ask(c, FUSE_GETATTR, dir, &attr, sizeof attr);
	is_int(c->vs.nodes.live, LEFT + 2, "of %d nodes few are left", FILES);
	ok(c->vs.nodes.n_slots <= 1024, "and the table is small");
	stop(c);
	free(ids);
	free(c);
}

int main(void)
{
	auto_tmpdir struct tmpdir d = tmpdir_make();
	auto_fd int share = -1;

	if (mkdirat(d.fd, "share", 0755) < 0 ||
	        write_file_at(d.fd, "beside", "secret", 6, 0600) < 0)
		abort();
	share = openat(d.fd, "share", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (mkdirat(share, "dir", 0755) < 0 || mkdirat(share, "many", 0755) < 0 ||
	        symlinkat("../beside", share, "link") < 0 ||
	        mknodat(share, "pipe", S_IFIFO | 0644, 0) < 0 ||
	        write_file_at(share, "file", "text", 4, 0644) < 0 || chdir("/proc/self/fd") < 0)
		abort();
	bad_names(&d);
	bad_messages(&d);
	forged(&d);
	readonly(&d);
	new_session(&d);
	forgets(&d);
	table_shrinks(&d);
	return done();
}
