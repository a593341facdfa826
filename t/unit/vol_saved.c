/* SPDX-License-Identifier: MIT
 * Sessions of a volume's server that are saved and gone on with, as a machine's are by its clones:
 * what was open is open, and what others have changed meanwhile is called back. */
#include "volsaved.h"

#include <sys/file.h>

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

int main(void)
{
	auto_tmpdir struct tmpdir d = tmpdir_make();

	if (mkdirat(d.fd, "share", 0755) < 0 || mkdirat(d.fd, "share/dir", 0755) < 0 ||
	        symlinkat("../beside", d.fd, "share/link") < 0 || chdir("/proc/self/fd") < 0)
		abort();
	write_file(&d, "share/file", "text");
	goes_on(&d);
	flocks(&d);
	locks(&d);
	return done();
}
