/* SPDX-License-Identifier: MIT */
#include "cleanup.h"
#include "lock.h"
#include "name.h"
#include "rundir.h"
#include "status.h"
#include "strv.h"
#include "tap.h"
#include "xio.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>

struct seen {
	int n;
	char name[NAME_MAX_LEN + 1];
	pid_t pid;
};

static void note(const char *name, pid_t pid, void *ctx)
{
	struct seen *s = ctx;

	s->n++;
	snprintf(s->name, sizeof s->name, "%s", name);
	s->pid = pid;
}

static bool exists(const char *base, const char *name)
{
	auto_free char *path = xasprintf("%s/%s", base, name);

	return access(path, F_OK) == 0;
}

static void names(void)
{
	static const char *const good[] = {"a", "A-b_c.9", "_x", "9"};
	static const char *const bad[] = {
	        "", ".", "..", "-a", ".lock", "a/b", "a b", "a\n", "\xc3\xa9"};
	char longest[66], friendly[NAME_MAX_LEN + 1];

	for (size_t i = 0; i < sizeof good / sizeof *good; i++)
		ok(name_valid(good[i]), "'%s' is a name", good[i]);
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		ok(!name_valid(bad[i]), "'%s' is no name", bad[i]);
	memset(longest, 'x', sizeof longest);
	longest[64] = 0;
	ok(!name_valid(longest) && name_valid_hostname(longest), "64 bytes are a host name only");
	longest[63] = 0;
	ok(name_valid(longest), "63 bytes are a name");
	name_random(friendly, sizeof friendly);
	ok(name_valid(friendly) && strchr(friendly, '_'), "a random name is a name: %s", friendly);
}

static void life(const char *base)
{
	struct rundir rd, again;
	struct seen s = {0};
	struct err e = {0};

	is_int(rundir_reserve(base, "web", &rd, &e), 0, "a free name is reserved");
	is_str(rd.name, "web", "under its name");
	is_int(rundir_list(base, note, &s, &e), 0, "the list is read");
	ok(s.n == 1 && !strcmp(s.name, "web") && s.pid == getpid(), "with the VM and its process");
	is_int(rundir_reserve(base, "web", &again, &e), -1, "the name is taken");
	is_int(e.status, FCVM_EX_FAIL, "which is a failure");
	ok(strstr(e.text, "the name web is taken: process "), "said so: %s", e.text);
	rundir_free(&again);
	is_int(rundir_sweep(base, &e), 0, "a sweep");
	ok(exists(base, "web/lock"), "leaves the living alone");
	ok(rundir_inherit(&rd, &e) >= 20, "the lock moves out of the way of shells");
	is_int(fcntl(rd.lock_fd, F_GETFD), 0, "and survives exec");
	ok(exists(base, "web"), "without being given up");
	is_int(rundir_release(rd.lock_fd, &e), 0, "the orderly end");
	ok(!exists(base, "web"), "removes the directory");
	is_int(rundir_release(rd.lock_fd, &e), 0, "a second end is no error");
	rundir_free(&rd);
}

static void others_are_safe(const char *base)
{
	struct rundir old, new;
	struct err e = {0};
	auto_free char *path = xasprintf("%s/../lock", base);
	auto_fd int stray = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	rundir_reserve(base, "web", &old, &e);
	rundir_release(old.lock_fd, &e);
	is_int(rundir_reserve(base, "web", &new, &e), 0, "a released name is free at once");
	is_int(rundir_release(old.lock_fd, &e), 0, "the earlier holder ends late");
	ok(exists(base, "web/lock"), "and does not remove the new one's directory");
	rundir_release(stray, &e);
	ok(exists(base, "../lock"), "a file named lock that is no VM's is let be");
	unlink(path);
	rundir_free(&old);
	rundir_free(&new);
}

static void renamed(const char *base)
{
	struct rundir rd, other;
	struct seen s = {0};
	struct err e = {0};

	rundir_reserve(base, "web", &rd, &e);
	rundir_reserve(base, "db", &other, &e);
	is_int(rundir_rename(base, "web", "db", &e), -1, "a name that is taken is refused");
	ok(strstr(e.text, "the name db is taken"), "said so: %s", e.text);
	is_int(rundir_rename(base, "web", "../x", &e), -1, "so is one that is none");
	is_int(rundir_rename(base, "no", "yes", &e), -1, "and a VM that is none");
	is_int(e.status, FCVM_EX_NOTFOUND, "which is not found");
	is_int(rundir_rename(base, "web", "www", &e), 0, "a free name is given");
	rundir_free(&other);
	is_int(rundir_list(base, note, &s, &e), 0, "the list is read");
	ok(s.n == 1 && !strcmp(s.name, "www"), "and has the new name");
	is_int(rundir_release(rd.lock_fd, &e), 0, "the orderly end");
	ok(!exists(base, "www"), "follows the name");
	rundir_free(&rd);
}

/* A shared lock, as the janitor and every question takes, must not look like life. */
static void asking_is_not_living(const char *base)
{
	auto_free char *path = xasprintf("%s/web/lock", base);
	auto_fd int fd = open(path, O_RDWR | O_CLOEXEC);
	struct rundir rd;
	struct err e = {0};

	is_int(flock(fd, LOCK_SH | LOCK_NB), 0, "a dead VM's lock can be shared");
	is_int(rundir_reserve(base, "web", &rd, &e), 0, "and its name be reserved meanwhile");
	rundir_release(rd.lock_fd, &e);
	rundir_free(&rd);
}

/* The user root may open everything, so somebody else asks. */
static void unreadable_is_not_dead(const char *dir)
{
	auto_free char *base = xasprintf("%s/other", dir), *path = xasprintf("%s/web/lock", base);
	uid_t me = geteuid();
	struct rundir rd;
	struct err e = {0};

	if (me == 0 && (chmod(dir, 0711) < 0 || mkdir(base, 0700) < 0 || chown(base, 1, 1) < 0 ||
	                       seteuid(1) < 0))
		abort();
	is_int(rundir_reserve(base, "web", &rd, &e), 0, "a name is reserved: %s", e.text);
	is_int(chmod(path, 0), 0, "its lock cannot be opened any more");
	is_int(rundir_sweep(base, &e), 0, "a sweep");
	ok(access(path, F_OK) == 0, "takes it for alive");
	is_int(chmod(path, 0600), 0, "the lock can be opened again");
	rundir_free(&rd);
	rundir_sweep(base, &e);
	ok(access(path, F_OK) < 0, "and is seen to be dead when it is");
	if (me == 0 && seteuid(0) < 0)
		abort();
}

static void absent_base(void)
{
	struct err e = {0};

	is_int(rundir_sweep("/nonexistent/fcvm", &e), 0, "no base, nothing to sweep");
	ok(access("/nonexistent", F_OK) < 0, "and none is made");
}

int main(void)
{
	char dir[] = "/tmp/fcvm-rundir.XXXXXX";
	auto_free char *base = NULL;

	if (!mkdtemp(dir))
		return 1;
	base = xasprintf("%s/a/b", dir);
	names();
	life(base);
	renamed(base);
	others_are_safe(base);
	asking_is_not_living(base);
	absent_base();
	unreadable_is_not_dead(dir);
	remove_tree_at(AT_FDCWD, dir);
	return done();
}
