/* SPDX-License-Identifier: MIT */
#include "posix.h"

#include <dirent.h>
#include <sys/mount.h>

static int run(struct suite *s, int dir, const char *p)
{
	(void)s;
	return dir == AT_FDCWD ? rmdir(p) : unlinkat(dir, p, AT_REMOVEDIR);
}

static void wrong_types(struct suite *s)
{
	for (enum type t = REG; t < TYPES; t++) {
		char *p, *link;

		if (t == DIRECTORY)
			continue;
		p = make(s, t);
		link = fresh(s);
		must(symlink(p, link));
		expect(s, ENOTDIR, rmdir(p), "rmdir of a %s", type_name(t));
		holds(s, exists(p), "rmdir of a %s leaves it", type_name(t));
		expect(s, ENOTDIR, rmdir(link), "rmdir of a symlink to a %s", type_name(t));
		for (enum who w = ROOT; w < WHOS; w++)
			expect(s, w == ROOT ? ENOTDIR : EACCES, AS(s, w, rmdir(p)),
			        "rmdir of a %s by %s", type_name(t), who_name(w));
	}
}

static void not_empty(struct suite *s)
{
	for (enum type t = REG; t < TYPES; t++) {
		char *dir = make(s, DIRECTORY), *p = path(s, "%s/x", dir);

		make_at(t, p);
		expect(s, ENOTEMPTY, rmdir(dir), "rmdir of a directory with a %s", type_name(t));
		holds(s, exists(p), "rmdir leaves the %s in it", type_name(t));
		must(t == DIRECTORY ? rmdir(p) : unlink(p));
		expect(s, 0, rmdir(dir), "rmdir after the %s went", type_name(t));
		holds(s, !exists(dir), "and the directory of the %s is gone", type_name(t));
	}
}

static void dots(struct suite *s)
{
	char *dir = make(s, DIRECTORY), *sub = path(s, "%s/sub", dir), *link = fresh(s);

	must(mkdir(sub, 0755));
	must(symlink(sub, link));
	expect(s, EINVAL, rmdir("."), "rmdir of .");
	expect(s, ENOTEMPTY, rmdir(".."), "rmdir of ..");
	expect(s, EBUSY, rmdir("/"), "rmdir of the root");
	expect(s, EINVAL, rmdir(path(s, "%s/.", sub)), "rmdir of a directory's .");
	expect(s, ENOTEMPTY, rmdir(path(s, "%s/..", sub)), "rmdir of a directory's ..");
	expect(s, ENOTDIR, rmdir(link), "rmdir of a symlink to a directory");
	expect(s, ENOTDIR, rmdir(path(s, "%s/", link)),
	        "rmdir of a symlink to a directory with a slash");
	expect(s, 0, rmdir(path(s, "%s/", sub)), "rmdir with a slash");
	expect(s, 0, rmdir(path(s, "%s///", dir)), "rmdir with slashes");
	if (s->mounts)
		expect(s, EBUSY, rmdir("tmp"), "rmdir of a mount point");
	expect(s, EISDIR, unlinkat(AT_FDCWD, make(s, DIRECTORY), 0), "unlinkat of a directory");
	expect(s, EINVAL, unlinkat(AT_FDCWD, make(s, DIRECTORY), 1), "unlinkat with a wrong flag");
}

/* A directory that is gone but open */
static void open_directory(struct suite *s)
{
	char *dir = make(s, DIRECTORY);
	int fd = must(open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	struct stat st;
	DIR *d;

	must(rmdir(dir));
	expect(s, 0, fstat(fd, &st), "fstat of a removed directory");
	same(s, st.st_nlink, 0, "a removed directory has no links");
	expect(s, ENOENT, mkdirat(fd, "x", 0755), "mkdirat in a removed directory");
	expect(s, ENOENT, openat(fd, "x", O_CREAT | O_WRONLY, 0644),
	        "creating in a removed directory");
	expect(s, ENOENT, symlinkat("x", fd, "y"), "symlinkat in a removed directory");
	expect(s, 0, fchmod(fd, 0700), "fchmod of a removed directory");
	must(fstat(fd, &st));
	same(s, st.st_mode & 07777, 0700, "and its mode is changed");
	d = fdopendir(fd);
	must(d ? 0 : -1);
	errno = 0;
	while (readdir(d))
		;
	same(s, errno, 0, "readdir of a removed directory");
	closedir(d);
	dir = make(s, DIRECTORY);
	must(rmdir(dir));
	expect(s, 0, mkdir(dir, 0755), "mkdir of a name that was removed");
	holds(s, exists(dir), "and it is there");
}

static void links(struct suite *s)
{
	char *dir = make(s, DIRECTORY);
	nlink_t before;

	for (int i = 0; i < 8; i++)
		must(mkdir(path(s, "%s/%d", dir, i), 0755));
	before = links_of(dir);
	for (int i = 0; i < 8; i++) {
		must(rmdir(path(s, "%s/%d", dir, i)));
		same(s, links_of(dir), before - (nlink_t)i - 1,
		        "links of the parent after rmdir %d", i + 1);
	}
	for (mode_t bits = 0; bits < 8; bits++) {
		dir = make_dir(s, bits << 6, OWNER);
		must(chmod(".", 0777));
		expect(s, 0, AS(s, OWNER, rmdir(dir)), "rmdir of an own directory with bits %o",
		        bits);
		must(chmod(".", 0755));
	}
}

void cat_rmdir(struct suite *s)
{
	static const struct op op = {"rmdir", run, DIRECTORY, REMOVES | NOFOLLOW};
	static const enum type types[] = {DIRECTORY};

	op_matrix(s, &op);
	sticky_matrix(s, &op, types, COUNT(types));
	wrong_types(s);
	not_empty(s);
	dots(s);
	open_directory(s);
	links(s);
}
