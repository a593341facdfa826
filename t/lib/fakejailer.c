/* SPDX-License-Identifier: MIT
 * A stand-in for Firecracker's jailer, which does what the real one does, in its order, and is as
 * strict with its arguments. Differences, for the stand-in that it starts: variables FAKEFC_* stay,
 * and FAKEFC_LOG, whose file is out of reach from inside, becomes a descriptor. */
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <linux/close_range.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

struct jail {
	char id[80], program[PATH_MAX], name[256], root[3 * PATH_MAX];
	char base[PATH_MAX];
	unsigned uid, gid;
	char **rest;
};

static void __attribute__((noreturn)) die(const char *what)
{
	fprintf(stderr, "Error: jailer: %s: %s\n", what, strerror(errno));
	exit(1);
}

static unsigned number(const char *text)
{
	char *end;
	unsigned long n = strtoul(text, &end, 10);

	errno = EINVAL;
	if (!*text || *end || n > UINT_MAX)
		die("not a number");
	return (unsigned)n;
}

static void arguments(struct jail *j, int argc, char **argv)
{
	int i, seen = 0;

	for (i = 1; i + 1 < argc && strcmp(argv[i], "--") != 0; i += 2) {
		const char *value = argv[i + 1];

		seen++;
		if (!strcmp(argv[i], "--id"))
			snprintf(j->id, sizeof j->id, "%s", value);
		else if (!strcmp(argv[i], "--exec-file") && !realpath(value, j->program))
			die("Failed to canonicalize the executable");
		else if (!strcmp(argv[i], "--chroot-base-dir") && !realpath(value, j->base))
			die("Failed to canonicalize the base folder");
		else if (!strcmp(argv[i], "--uid"))
			j->uid = number(value);
		else if (!strcmp(argv[i], "--gid"))
			j->gid = number(value);
		else if (strcmp(argv[i], "--exec-file") != 0 &&
		         strcmp(argv[i], "--chroot-base-dir") != 0) {
			fprintf(stderr, "Error: jailer: ParseArguments: %s\n", argv[i]);
			exit(1);
		}
	}
	errno = EINVAL;
	if (seen != 5 || !*j->id || !*j->program || !*j->base)
		die("an argument is missing");
	snprintf(j->name, sizeof j->name, "%s", basename(strdupa(j->program)));
	if (!strstr(j->name, "firecracker"))
		die("the executable's name must have \"firecracker\" in it");
	j->rest = argv + i + (i < argc);
	snprintf(j->root, sizeof j->root, "%s/%s/%s/root", j->base, j->name, j->id);
}

static void make_dirs(const char *path)
{
	char *copy = strdup(path);

	for (char *p = copy + 1; *p; p++)
		if (*p == '/') {
			*p = 0;
			if (mkdir(copy, 0777) < 0 && errno != EEXIST)
				die(copy);
			*p = '/';
		}
	if (mkdir(copy, 0777) < 0 && errno != EEXIST)
		die(path);
	free(copy);
}

static void copy_program(const struct jail *j)
{
	char to[4 * PATH_MAX], buf[65536];
	int from = open(j->program, O_RDONLY | O_CLOEXEC), fd;
	ssize_t n;

	snprintf(to, sizeof to, "%s/%s", j->root, j->name);
	fd = open(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0755);
	while (fd >= 0 && (n = read(from, buf, sizeof buf)) > 0)
		if (write(fd, buf, (size_t)n) != n)
			die(to);
	if (from < 0 || fd < 0 || close(fd) < 0)
		die("cannot copy the executable");
	close(from);
}

static void enter(const struct jail *j)
{
	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_SLAVE | MS_REC, NULL) < 0 ||
	        mount(j->root, j->root, NULL, MS_BIND | MS_REC, NULL) < 0 || chdir(j->root) < 0 ||
	        mkdir("old_root", 0600) < 0 || syscall(SYS_pivot_root, ".", "old_root") < 0 ||
	        chdir("/") < 0 || umount2("old_root", MNT_DETACH) < 0 || rmdir("old_root") < 0)
		die("cannot enter the jail");
}

static void own_dir(const struct jail *j, const char *path)
{
	make_dirs(path);
	if (chmod(path, 0700) < 0 || chown(path, j->uid, j->gid) < 0)
		die(path);
}

static void device(const struct jail *j, const char *path, unsigned minor)
{
	if (mknod(path, S_IFCHR | 0600, makedev(10, minor)) < 0 || chown(path, j->uid, j->gid) < 0)
		die(path);
}

static void clear_environment(void)
{
	extern char **environ;
	const char *file = getenv("FAKEFC_LOG");
	int log = file ? open(file, O_WRONLY | O_CREAT | O_APPEND, 0600) : -1;
	static char text[40];
	char **to = environ;

	for (char **v = environ; *v; v++)
		if (!strncmp(*v, "FAKEFC_", 7))
			*to++ = *v;
	*to = NULL;
	if (log < 0)
		return;
	snprintf(text, sizeof text, "FAKEFC_LOG_FD=%d", log);
	putenv(text);
}

int main(int argc, char **argv)
{
	struct jail j = {.uid = 0};
	struct rlimit files = {2048, 2048};
	char program[300], *words[40] = {program, (char *)"--id", j.id, (char *)"--start-time-us",
	                           (char *)"1", (char *)"--start-time-cpu-us", (char *)"1",
	                           (char *)"--parent-cpu-time-us", (char *)"1"};
	int n = 9;

	syscall(SYS_close_range, 3, ~0U, 0);
	umask(0022);
	clear_environment();
	arguments(&j, argc, argv);
	make_dirs(j.root);
	copy_program(&j);
	if (setrlimit(RLIMIT_NOFILE, &files) < 0)
		die("cannot limit the files");
	enter(&j);
	own_dir(&j, "/dev");
	own_dir(&j, "/dev/net");
	own_dir(&j, "/run");
	if (chmod("/", 0700) < 0 || chown("/", j.uid, j.gid) < 0)
		die("/");
	device(&j, "/dev/net/tun", 200);
	device(&j, "/dev/kvm", 232);
	device(&j, "/dev/userfaultfd", 257);
	snprintf(program, sizeof program, "/%s", j.name);
	while (*j.rest && n < 39)
		words[n++] = *j.rest++;
	if (setgid(j.gid) < 0 || setuid(j.uid) < 0)
		die("cannot become its user");
	execv(program, words);
	die("cannot execute it");
}
