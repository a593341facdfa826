/* SPDX-License-Identifier: MIT
 * Sessions of a volume's server that are saved and gone on with, as a machine's are by its clones:
 * what was open is open, what others have changed meanwhile is called back, and nothing that is
 * written in the place of what was saved leads out of the share. */
#include "cleanup.h"
#include "fuserelay.h"
#include "tap.h"
#include "volclient.h"

#include <fcvm-vol/vs_save.h>

#include <sys/file.h>
#include <sys/mman.h>

struct told {
	uint64_t inode[64];
	struct {
		uint64_t dir;
		char name[64];
	} entry[64];
	size_t inodes, entries;
	bool word; /* and then the word */
};

static void word(struct client *c, const char *name)
{
	char text[FUSERELAY_HELLO_N] = {0};

	memcpy(text, name, 8);
	put(c, text, sizeof text);
}

/* All that comes before the word. Answers are noted as the client's last. */
static struct told until_word(struct client *c, const char *name)
{
	struct told t = {.inodes = 0};
	struct fuse_out_header h;

	while (take(c, &h, sizeof h)) {
		const struct fuse_notify_inval_inode_out *inode = (const void *)c->in;
		const struct fuse_notify_inval_entry_out *entry = (const void *)c->in;

		t.word = !memcmp(&h, name, 8);
		if (t.word || h.len < sizeof h || !take(c, c->in, h.len - sizeof h))
			break;
		if (h.unique == 0 && h.error == FUSE_NOTIFY_INVAL_INODE && t.inodes < 64)
			t.inode[t.inodes++] = inode->ino;
		if (h.unique == 0 && h.error == FUSE_NOTIFY_INVAL_ENTRY && t.entries < 64) {
			t.entry[t.entries].dir = entry->parent;
			snprintf(t.entry[t.entries++].name, 64, "%s", (const char *)(entry + 1));
		}
		if (h.unique)
			c->error = h.error;
	}
	return t;
}

static bool told_inode(const struct told *t, uint64_t id)
{
	for (size_t i = 0; i < t->inodes; i++)
		if (t->inode[i] == id)
			return true;
	return false;
}

static bool told_entry(const struct told *t, uint64_t dir, const char *name)
{
	for (size_t i = 0; i < t->entries; i++)
		if (t->entry[i].dir == dir && !strcmp(t->entry[i].name, name))
			return true;
	return false;
}

static uint64_t open_it(struct client *c, uint64_t node, uint32_t opcode, uint32_t flags)
{
	const struct fuse_open_out *out = ask(c, opcode, node,
	        &(struct fuse_open_in){.flags = flags}, sizeof(struct fuse_open_in));

	return out && !c->error ? out->fh : 0;
}

static const char *read_it(struct client *c, uint64_t node, uint64_t fh)
{
	const struct fuse_read_in in = {.fh = fh, .size = 100};

	memset(c->in, 0, 101);
	return ask(c, FUSE_READ, node, &in, sizeof in);
}

static void write_it(struct client *c, uint64_t node, uint64_t fh, const char *text)
{
	char body[200];
	const struct fuse_write_in in = {.fh = fh, .size = (uint32_t)strlen(text)};

	memcpy(body, &in, sizeof in);
	memcpy(body + sizeof in, text, strlen(text));
	ask(c, FUSE_WRITE, node, body, sizeof in + strlen(text));
}

static void lock_it(struct client *c, uint64_t node, uint64_t fh, bool posix, bool wait)
{
	const struct fuse_lk_in in = {.fh = fh,
	        .owner = 7,
	        .lk = {.start = 10, .end = posix ? 19 : INT64_MAX, .type = F_WRLCK},
	        .lk_flags = posix ? 0 : FUSE_LK_FLOCK};

	if (wait)
		say(c, FUSE_SETLKW, node, &in, sizeof in);
	else
		ask(c, FUSE_SETLK, node, &in, sizeof in);
}

/* A saved session in a file. */
static int save(struct client *c, ssize_t *size)
{
	int fd = memfd_create("saved", MFD_CLOEXEC);
	struct told t;

	word(c, FUSERELAY_REST);
	t = until_word(c, FUSERELAY_REST);
	ok(t.word, "the session comes to rest");
	*size = vs_save(&c->vs, fd, 0);
	return fd;
}

static void *content(int fd, ssize_t size)
{
	void *data = malloc((size_t)size + 1);

	if (!data || pread(fd, data, (size_t)size, 0) != size)
		abort();
	close(fd);
	return data;
}

static struct client *clone_of(
        const struct tmpdir *d, const void *data, ssize_t size, struct vs_loss *loss)
{
	struct client *c = malloc(sizeof *c);

	prepare(c, d, false, VS_CACHE_AUTO);
	is_int(vs_load(&c->vs, data, (size_t)size, false, loss), 0, "a clone's server goes on");
	c->unique = 1000;
	run(c);
	return c;
}

static void write_file(const struct tmpdir *d, const char *path, const char *text)
{
	if (put_file_at(d->fd, path, text, strlen(text), 0644) < 0)
		abort();
}

/* Older than one tick of the clock, within which times say nothing. */
static void age(void)
{
	nanosleep(&(struct timespec){.tv_nsec = 60000000}, NULL);
}

static void goes_on(const struct tmpdir *d)
{
	struct client *c = malloc(sizeof *c), *k;
	uint64_t log, log_fh, same, same_fh, moved, moved_fh, gone, gone_fh, dir, dir_fh, file,
	        temp, temp_fh;
	auto_free void *data = NULL;
	struct vs_loss loss;
	struct told t;
	ssize_t size;
	int fd;

	write_file(d, "share/log", "one\n");
	write_file(d, "share/same", "same");
	write_file(d, "share/moved", "moved");
	write_file(d, "share/gone", "gone");
	write_file(d, "share/temp", "no name");
	write_file(d, "share/dir/inner", "inner");
	age();
	begin(c, d, false);
	log = look(c, 1, "log");
	log_fh = open_it(c, log, FUSE_OPEN, O_WRONLY | O_APPEND);
	same = look(c, 1, "same");
	same_fh = open_it(c, same, FUSE_OPEN, O_RDONLY);
	moved = look(c, 1, "moved");
	moved_fh = open_it(c, moved, FUSE_OPEN, O_RDONLY);
	gone = look(c, 1, "gone");
	gone_fh = open_it(c, gone, FUSE_OPEN, O_RDWR);
	dir = look(c, 1, "dir");
	dir_fh = open_it(c, dir, FUSE_OPENDIR, O_RDONLY);
	file = look(c, dir, "inner");
	temp = look(c, 1, "temp");
	temp_fh = open_it(c, temp, FUSE_OPEN, O_RDWR);
	ask_text(c, FUSE_UNLINK, 1, NULL, 0, "temp", 5);
	look(c, 1, "later");
	look(c, 1, "never");
	look(c, 1, "own");
	ask_text(c, FUSE_MKDIR, 1, &(struct fuse_mkdir_in){.mode = 0755},
	        sizeof(struct fuse_mkdir_in), "own", 4);
	is_int(vs_save(&c->vs, -1, 0), -EBUSY, "one that is at work is not saved");
	age();
	fd = save(c, &size);
	ok(size > 100, "it is saved: %zd bytes", size);
	data = content(fd, size);
	word(c, FUSERELAY_GO);
	t = until_word(c, FUSERELAY_GO);
	ok(t.word, "the source goes on");
	write_it(c, log, log_fh, "two\n");
	is_int(c->error, 0, "and writes");

	renameat(d->fd, "share/moved", d->fd, "share/elsewhere");
	unlinkat(d->fd, "share/gone", 0);
	write_file(d, "share/later", "here");
	write_file(d, "share/gone", "another");
	k = clone_of(d, data, size, &loss);
	is_int(loss.files, 1, "one open file is lost");
	is_int(loss.locks, 0, "and no lock");
	word(k, FUSERELAY_GO);
	t = until_word(k, FUSERELAY_GO);
	ok(t.word, "a clone goes on");
	ok(told_entry(&t, 1, "moved"), "a name that leads nowhere is called back");
	ok(told_entry(&t, 1, "gone"), "one that leads elsewhere");
	ok(told_entry(&t, 1, "later"), "one that was missing");
	ok(!told_entry(&t, 1, "never"), "not one that is missing still");
	ok(!told_entry(&t, 1, "own"), "nor one that the guest has made since");
	ok(!told_entry(&t, 1, "same") && !told_entry(&t, 1, "log") && !told_entry(&t, dir, "inner"),
	        "not those that are what they were");
	ok(told_inode(&t, log), "content that has changed is called back");
	ok(!told_inode(&t, same) && !told_inode(&t, file), "other content is not");
	is_int(look(k, 1, "same"), (intmax_t)same, "a file has its number");
	ok(look(k, 1, "gone") != gone, "another has another");
	is_str(read_it(k, moved, moved_fh), "moved", "one that was moved is open");
	is_int(look(k, 1, "elsewhere"), (intmax_t)moved, "one that was moved is known again");
	write_it(k, log, log_fh, "three\n");
	is_int(k->error, 0, "an open file can be written to");
	is_str(read_it(k, same, same_fh), "same", "or read");
	is_str(read_it(k, temp, temp_fh), "no name", "one without a name has its content");
	write_it(k, temp, temp_fh, "NO");
	is_str(read_it(c, temp, temp_fh), "no name", "which is the clone's own");
	read_it(k, gone, gone_fh);
	is_int(k->error, -ESTALE, "a removed one is stale");
	is_str(read_it(c, gone, gone_fh), "gone", "not so for the source");
	ask(k, FUSE_READDIR, dir, &(struct fuse_read_in){.fh = dir_fh, .size = 4000},
	        sizeof(struct fuse_read_in));
	is_int(k->error, 0, "a directory is read on");
	ask(k, FUSE_RELEASE, gone, &(struct fuse_release_in){.fh = gone_fh},
	        sizeof(struct fuse_release_in));
	is_int(k->error, 0, "what is lost can be closed");
	stop(k);
	free(k);
	stop(c);
	free(c);
	is_int(openat(d->fd, "share/temp", O_RDONLY), -1, "and has no name again");
}

/* flock(2) is of the open file. */
static void flocks(const struct tmpdir *d)
{
	struct client *c = malloc(sizeof *c), *k;
	auto_free void *data = NULL;
	struct vs_loss loss;
	uint64_t file, fh;
	ssize_t size;
	int fd;

	begin(c, d, false);
	file = look(c, 1, "file");
	fh = open_it(c, file, FUSE_OPEN, O_RDWR);
	lock_it(c, file, fh, false, false);
	is_int(c->error, 0, "a file is locked");
	fd = save(c, &size);
	data = content(fd, size);
	k = clone_of(d, data, size, &loss);
	is_int(loss.locks, 1, "the source has it");
	stop(k);
	free(k);
	stop(c);
	free(c);
	k = clone_of(d, data, size, &loss);
	is_int(loss.locks, 0, "a clone gets it when nobody has it");
	word(k, FUSERELAY_GO);
	until_word(k, FUSERELAY_GO);
	fd = openat(d->fd, "share/file", O_RDWR | O_CLOEXEC);
	ok(flock(fd, LOCK_SH | LOCK_NB) < 0, "really");
	close(fd);
	stop(k);
	free(k);
}

static void locks(const struct tmpdir *d)
{
	struct client *c = malloc(sizeof *c), *k;
	auto_fd int own = openat(d->fd, "share/file", O_RDWR | O_CLOEXEC);
	auto_free void *data = NULL;
	uint64_t file, fh, same, same_fh, unique;
	struct vs_loss loss;
	struct told t;
	ssize_t size;
	int fd;

	begin(c, d, false);
	file = look(c, 1, "file");
	fh = open_it(c, file, FUSE_OPEN, O_RDWR);
	same = look(c, 1, "same");
	same_fh = open_it(c, same, FUSE_OPEN, O_RDWR);
	lock_it(c, same, same_fh, true, false);
	is_int(c->error, 0, "a lock");
	flock(own, LOCK_EX);
	lock_it(c, file, fh, false, true);
	unique = c->unique;
	fd = save(c, &size);
	data = content(fd, size);
	k = clone_of(d, data, size, &loss);
	is_int(loss.locks, 1, "the source has the lock");
	word(k, FUSERELAY_GO);
	t = until_word(k, FUSERELAY_GO);
	ok(t.word, "the clone goes on");
	read_it(k, same, same_fh);
	is_int(k->error, -EIO, "whoever relied on a lock that is lost fails");
	same_fh = open_it(k, same, FUSE_OPEN, O_RDWR);
	is_str(read_it(k, same, same_fh), "same", "until the file is opened anew");
	flock(own, LOCK_UN);
	/* One of them gets it, and the other when that has gone. */
	word(c, FUSERELAY_GO);
	stop(c);
	free(c);
	k->error = 1;
	ok(answer(k, unique) && k->error == 0,
	        "who waited in the source waits in the clone, and gets it");
	ok(flock(own, LOCK_EX | LOCK_NB) < 0, "really");
	stop(k);
	free(k);
	k = clone_of(d, data, size, &loss);
	is_int(loss.locks, 0, "a lock that nobody has is taken again");
	stop(k);
	free(k);
}

/* --- what nobody has written ------------------------------------------------------------------ */

static int load(const struct tmpdir *d, const void *data, size_t n)
{
	struct client *c = malloc(sizeof *c);
	struct vs_loss loss;
	int r;

	prepare(c, d, false, VS_CACHE_AUTO);
	r = vs_load(&c->vs, data, n, false, &loss);
	if (r == 0)
		vs_close_session(&c->vs);
	close(c->wire);
	close(c->vs.wire);
	close(c->vs.root);
	free(c);
	return r;
}

static void put_node(
        struct vs_pack *p, uint64_t id, uint64_t parent, const char *name, uint32_t type)
{
	vs_put_u64(p, id);
	vs_put_u64(p, 1);
	vs_put_u64(p, 1);
	vs_put_u32(p, type);
	for (int i = 0; i < 3; i++)
		vs_put_u64(p, 0);
	vs_put_u32(p, 0);
	vs_put_u64(p, parent);
	vs_put_blob(p, name, strlen(name));
	vs_put_u64(p, 0);
	for (int i = 0; i < 2; i++) {
		vs_put_u64(p, 0);
		vs_put_u32(p, 0);
	}
	vs_put_u64(p, 0);
	vs_put_u32(p, VS_WATCHED);
}

static struct vs_pack head(uint32_t nodes)
{
	struct vs_pack p = {.n = 0};

	vs_put_bytes(&p, VS_SAVE_MAGIC, 8);
	vs_put_u32(&p, VS_SAVE_VERSION);
	vs_put_u32(&p, 1);
	vs_put_u32(&p, 0);
	for (int i = 0; i < 3; i++)
		vs_put_u64(&p, 1);
	vs_put_u32(&p, 1);
	vs_put_u32(&p, nodes);
	put_node(&p, 1, 0, "", S_IFDIR);
	return p;
}

/* No missing names, contents, handles, locks, waits; nothing kept. */
static int load_pack(const struct tmpdir *d, struct vs_pack *p)
{
	int r;

	for (int i = 0; i < 7; i++)
		vs_put_u32(p, 0);
	r = load(d, p->data, p->n);
	free(p->data);
	return r;
}

static void one_node(const struct tmpdir *d, const char *what, uint64_t id, const char *name,
        uint32_t type, int want)
{
	struct vs_pack p = head(2);

	put_node(&p, id, 1, name, type);
	is_int(load_pack(d, &p), want, "%s", what);
}

static void forged(const struct tmpdir *d)
{
	struct vs_pack p = head(1);

	is_int(load_pack(d, &p), 0, "the least that there is");
	one_node(d, "a node", 2, "file", S_IFREG, 0);
	one_node(d, "the name ..", 2, "..", S_IFDIR, -EBADMSG);
	one_node(d, "a name with a slash", 2, "../beside", S_IFREG, -EBADMSG);
	one_node(d, "a second root", 1, "", S_IFDIR, -EBADMSG);
	one_node(d, "node 0", 0, "file", S_IFREG, -EBADMSG);
	one_node(d, "a number without bounds", 1ULL << 40, "file", S_IFREG, -EBADMSG);
	one_node(d, "no type", 2, "file", 0, -EBADMSG);
	one_node(d, "a link that is said to be a directory", 2, "link", S_IFDIR, 0);
	p = head(3);
	put_node(&p, 2, 3, "a", S_IFDIR);
	put_node(&p, 3, 2, "b", S_IFDIR);
	is_int(load_pack(d, &p), 0, "a circle is nowhere");
	p = head(2);
	put_node(&p, 2, 2, "a", S_IFDIR);
	is_int(load_pack(d, &p), 0, "nor is one that is in itself");
	p = head(0xffffffff);
	is_int(load_pack(d, &p), -EBADMSG, "four thousand million nodes");
	p = head(1);
	vs_put_u32(&p, 0);
	vs_put_u32(&p, 0xffffffff);
	is_int(load_pack(d, &p), -EBADMSG, "as many contents");
	p = head(2);
	put_node(&p, 2, 1, "file", S_IFREG);
	vs_put_u32(&p, 0);
	vs_put_u32(&p, 0);
	vs_put_u32(&p, 1);
	for (int i = 0; i < 2; i++) /* a handle of slot 4095 of a number that is none */
		vs_put_u64(&p, 0xffffffffULL);
	is_int(load_pack(d, &p), -EBADMSG, "a handle of no node");
}

static void damaged(const struct tmpdir *d)
{
	struct client *c = malloc(sizeof *c);
	auto_free char *data = NULL;
	int cut = 0, fd;
	uint64_t file, fh;
	ssize_t size;

	begin(c, d, false);
	file = look(c, 1, "file");
	fh = open_it(c, file, FUSE_OPEN, O_RDWR);
	lock_it(c, file, fh, true, false);
	look(c, 1, "missing");
	fd = save(c, &size);
	data = content(fd, size);
	stop(c);
	free(c);
	is_int(load(d, data, (size_t)size), 0, "whole");
	for (ssize_t n = 0; n < size; n++)
		cut += load(d, data, (size_t)n) == -EBADMSG;
	is_int(cut, size, "cut anywhere, it is refused");
	for (ssize_t n = 0; n < size; n++) {
		data[n] ^= 0x41;
		load(d, data, (size_t)size);
		data[n] ^= 0x41;
	}
	is_int(load(d, data, (size_t)size), 0, "with any byte changed, nothing happens to others");
}

int main(void)
{
	auto_tmpdir struct tmpdir d = tmpdir_make();
	auto_free char *beside = NULL;
	size_t n;

	if (mkdirat(d.fd, "share", 0755) < 0 || mkdirat(d.fd, "share/dir", 0755) < 0 ||
	        symlinkat("../beside", d.fd, "share/link") < 0 || chdir("/proc/self/fd") < 0)
		abort();
	write_file(&d, "beside", "secret");
	write_file(&d, "share/file", "text");
	goes_on(&d);
	flocks(&d);
	locks(&d);
	forged(&d);
	damaged(&d);
	if (read_file_at(d.fd, "beside", 64, &beside, &n) < 0)
		abort();
	is_str(beside, "secret", "what is beside the share stays");
	return done();
}
