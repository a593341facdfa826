/* SPDX-License-Identifier: MIT */
#include "posix.h"

static int run(struct suite *s, int dir, const char *p)
{
	(void)s;
	return dir == AT_FDCWD ? mkdir(p, 0755) : mkdirat(dir, p, 0755);
}

static int make_it(const char *p, mode_t mode)
{
	return mkdir(p, mode);
}

static void inside(struct suite *s)
{
	char *dir = make(s, DIRECTORY), deep[PATH_MAX] = "";
	struct stat st;

	same(s, listed(dir, "."), 1, "a new directory has .");
	same(s, listed(dir, ".."), 1, "a new directory has ..");
	same(s, look(path(s, "%s/.", dir)).st_ino, look(dir).st_ino, ". is the directory itself");
	same(s, look(path(s, "%s/..", dir)).st_ino, look(".").st_ino, ".. is its parent");
	st = look(".");
	for (int i = 0; i < 100; i++)
		must(mkdir(path(s, "%s/%d", dir, i), 0755));
	same(s, links_of(dir), 102, "a hundred directories are a hundred links");
	same(s, look(".").st_nlink, st.st_nlink, "but not of the parent's parent");
	for (int i = 0; i < 100; i += 2)
		must(rmdir(path(s, "%s/%d", dir, i)));
	same(s, links_of(dir), 52, "half of them removed are half the links");
	dir = make(s, DIRECTORY);
	snprintf(deep, sizeof deep, "%s", dir);
	for (int i = 0; i < 60; i++) {
		size_t n = strlen(deep);

		snprintf(deep + n, sizeof deep - n, "/deep%d", i);
		expect(s, 0, mkdir(deep, 0755), "mkdir at depth %d", i + 2);
	}
}

void cat_mkdir(struct suite *s)
{
	static const struct op op = {"mkdir", run, DIRECTORY, CREATES};
	static const struct maker maker = {"mkdir", make_it, DIRECTORY};

	op_matrix(s, &op);
	create_matrix(s, &maker);
	inside(s);
}
