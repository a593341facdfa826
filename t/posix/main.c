/* SPDX-License-Identifier: MIT
 * fcvm-posix DIR CATEGORY: asks the file system at DIR what POSIX and Linux say about one
 * category, as TAP. Needs root: it takes on other users, and mounts in a namespace of its own.
 * Exit status: 0 all as expected, 1 not, 2 it could not ask, 100 usage. */
#include "posix.h"

#include <sched.h>
#include <sys/mman.h>
#include <sys/mount.h>

static const struct {
	const char *name;
	category *run;
} categories[] = {
        {"chflags", cat_chflags},
        {"chmod", cat_chmod},
        {"chown", cat_chown},
        {"ftruncate", cat_ftruncate},
        {"granular", cat_granular},
        {"link", cat_link},
        {"mkdir", cat_mkdir},
        {"mkfifo", cat_mkfifo},
        {"mknod", cat_mknod},
        {"open", cat_open},
        {"posix_fallocate", cat_posix_fallocate},
        {"rename", cat_rename},
        {"rmdir", cat_rmdir},
        {"symlink", cat_symlink},
        {"truncate", cat_truncate},
        {"unlink", cat_unlink},
        {"utimensat", cat_utimensat},
};

static category *find(const char *name)
{
	for (size_t i = 0; i < COUNT(categories); i++)
		if (strcmp(categories[i].name, name) == 0)
			return categories[i].run;
	return NULL;
}

static bool sysctl_set(const char *name)
{
	int fd = open(name, O_RDONLY | O_CLOEXEC);
	char c = '0';

	if (fd >= 0 && read(fd, &c, 1) != 1)
		c = '0';
	open_close(fd);
	return c != '0';
}

/* rw/ and ro/ are one directory, seen writable and read-only; tmp/ is another file system. They
 * are mounted in a namespace that goes with this process. */
static void mount_views(struct suite *s)
{
	must(mkdir("rw", 0755));
	must(mkdir("ro", 0755));
	must(mkdir("tmp", 0755));
	must(unshare(CLONE_NEWNS));
	must(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL));
	must(mount("rw", "ro", NULL, MS_BIND, NULL));
	must(mount(NULL, "ro", NULL, MS_BIND | MS_REMOUNT | MS_RDONLY, NULL));
	must(mount("none", "tmp", "tmpfs", 0, "size=1m,mode=755"));
	s->mounts = true;
}

static void unmount_views(struct suite *s)
{
	if (!s->mounts)
		return;
	must(umount2("ro", MNT_DETACH));
	must(umount2("tmp", MNT_DETACH));
}

/* A page, and behind it addresses that nobody may read. */
static char *unreadable(void)
{
	long page = sysconf(_SC_PAGESIZE);
	char *p = mmap(NULL, 1 << 16, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	must(p == MAP_FAILED ? -1 : 0);
	must(mprotect(p, (size_t)page, PROT_READ | PROT_WRITE));
	return p + page;
}

static int list_categories(void)
{
	for (size_t i = 0; i < COUNT(categories); i++)
		puts(categories[i].name);
	return 0;
}

/* Says that it runs, and does until its standard input ends. */
static int wait_for_end(void)
{
	char c = '!';

	if (write(1, &c, 1) != 1)
		return 1;
	while (read(0, &c, 1) > 0)
		;
	return 0;
}

static int usage(void)
{
	fputs("usage: fcvm-posix DIR CATEGORY | fcvm-posix --list\n", stderr);
	return 100;
}

int main(int argc, char **argv)
{
	static struct suite s;
	char dir[PATH_MAX], *above;
	category *run;

	if (argc == 2 && strcmp(argv[1], "--list") == 0)
		return list_categories();
	if (argc == 2 && strcmp(argv[1], "--wait") == 0)
		return wait_for_end();
	if (argc != 3)
		return usage();
	run = find(argv[2]);
	if (!run) {
		fprintf(stderr, "fcvm-posix: no category %s: see fcvm-posix --list\n", argv[2]);
		return 100;
	}
	if (geteuid() != 0) {
		fputs("fcvm-posix: needs root, to take on other users\n", stderr);
		return 2;
	}
	s.category = argv[2];
	s.protects_links = sysctl_set("/proc/sys/fs/protected_hardlinks");
	s.bad = unreadable();
	setvbuf(stdout, NULL, _IOFBF, 1 << 16);
	umask(0);
	above = realpath(argv[1], NULL);
	if (!above || snprintf(dir, sizeof dir, "%s/%s.XXXXXX", above, argv[2]) >= 1024) {
		fprintf(stderr, "fcvm-posix: %s: %s\n", argv[1],
		        above ? "the path is too long" : strerror(errno));
		return 2;
	}
	free(above);
	must(mkdtemp(dir) ? 0 : -1);
	must(chmod(dir, 0755));
	must(chdir(dir));
	memcpy(s.base, dir, sizeof s.base);
	if (AS(&s, OTHER, access(s.base, X_OK)) < 0)
		suite_bail(__FILE__, __LINE__, "other users cannot get to the directory", errno);
	mount_views(&s);
	run(&s);
	become(ROOT);
	unmount_views(&s);
	must(chdir("/"));
	remove_tree(dir);
	printf("1..%d\n", s.run);
	return s.failed > 0;
}
