/* SPDX-License-Identifier: MIT
 * The container's mounts. The root is entered first (pivot_root(2), with the old root kept only as
 * a descriptor), so every later path resolves inside the container, symbolic links included. The
 * defaults are those of the OCI runtime specification, config-linux.md. */
#include "cleanup.h"
#include "copy_tree.h"
#include "json.h"
#include "names.h"
#include "stage.h"
#include "status.h"
#include "strv.h"
#include "volume.h"
#include "xio.h"

#include <dirent.h>
#include <fcntl.h>
#include <sched.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>

/* Makes the directory (and parents) if it is not there. */
static int want_dir(const char *path, struct err *e)
{
	int r = mkdir_p(path, 0755);

	if (r == 0)
		return 0;
	errno = -r;
	return err_sys(e, "cannot make %s in the container", path);
}

/* A directory for a mount of the kernel's: not a link to elsewhere in the image. */
static int own_dir(const char *path, struct err *e)
{
	struct stat st;

	if (lstat(path, &st) == 0 && !S_ISDIR(st.st_mode))
		return err_set(e, FCVM_EX_FAIL, "%s is not a directory in the image", path);
	return want_dir(path, e);
}

static int enter_root(struct err *e)
{
	auto_fd int old = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (old < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return err_sys(e, "cannot make the mounts private");
	if (chdir(STAGE_ROOTFS) < 0 || syscall(SYS_pivot_root, ".", ".") < 0)
		return err_sys(e, "cannot enter the root file system");
	if (fchdir(old) < 0 || umount2(".", MNT_DETACH) < 0 || chdir("/") < 0)
		return err_sys(e, "cannot leave the old root");
	return 0;
}

static int make_dev(struct err *e)
{
	static const struct {
		const char *name;
		unsigned major, minor;
	} nodes[] = {{"null", 1, 3}, {"zero", 1, 5}, {"full", 1, 7}, {"random", 1, 8},
	        {"urandom", 1, 9}, {"tty", 5, 0}};
	static const struct {
		const char *target, *name;
	} links[] = {{"/proc/self/fd", "/dev/fd"}, {"/proc/self/fd/0", "/dev/stdin"},
	        {"/proc/self/fd/1", "/dev/stdout"}, {"/proc/self/fd/2", "/dev/stderr"},
	        {"/proc/kcore", "/dev/core"}, {"pts/ptmx", "/dev/ptmx"}};
	char path[32];

	for (size_t i = 0; i < sizeof nodes / sizeof *nodes; i++) {
		snprintf(path, sizeof path, "/dev/%s", nodes[i].name);
		if (mknod(path, S_IFCHR | 0666, makedev(nodes[i].major, nodes[i].minor)) < 0)
			return err_sys(e, "cannot make %s", path);
	}
	for (size_t i = 0; i < sizeof links / sizeof *links; i++)
		if (symlink(links[i].target, links[i].name) < 0)
			return err_sys(e, "cannot make %s", links[i].name);
	return 0;
}

/* A file of ours over one of the image's, which is made if it is missing. */
static int bind_over(const char *ours, const char *target, struct err *e)
{
	auto_fd int fd = open(ours, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	auto_fd int there = open(target, O_RDONLY | O_CREAT | O_NONBLOCK | O_CLOEXEC, 0644);

	if (there < 0 && unlink(target) == 0) /* a dangling link */
		there = open(target, O_RDONLY | O_CREAT | O_CLOEXEC, 0644);
	if (fd < 0 || there < 0 || mount(ours, target, NULL, MS_BIND, NULL) < 0)
		return err_sys(e, "cannot make %s", target);
	return 0;
}

/* The places of what names.c writes: files of a tmpfs that is reachable through them only (it is
 * mounted for a moment where /dev/shm will be). */
static int bind_names(struct err *e)
{
	if (want_dir("/etc", e) < 0 || want_dir("/dev/shm", e) < 0)
		return -1;
	if (mount("tmpfs", "/dev/shm", "tmpfs", MS_NOSUID | MS_NODEV, "mode=755,size=1m") < 0)
		return err_sys(e, "cannot mount a tmpfs");
	if (bind_over("/dev/shm/hosts", "/etc/hosts", e) < 0 ||
	        bind_over("/dev/shm/hostname", "/etc/hostname", e) < 0 ||
	        bind_over("/dev/shm/resolv.conf", "/etc/resolv.conf", e) < 0)
		return -1;
	return umount2("/dev/shm", MNT_DETACH) < 0 ? err_sys(e, "cannot hide a tmpfs") : 0;
}

int stage_mount_generic(struct err *e)
{
	static const struct {
		const char *type, *at;
		unsigned long flags;
		const char *data;
	} mounts[] = {
	        {"proc", "/proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL},
	        {"tmpfs", "/dev", MS_NOSUID | MS_STRICTATIME, "mode=755,size=65536k"},
	        {"devpts", "/dev/pts", MS_NOSUID | MS_NOEXEC,
	                "newinstance,ptmxmode=0666,mode=0620,gid=5"},
	        {"mqueue", "/dev/mqueue", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL},
	        {"tmpfs", "/dev/shm", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=1777,size=64000k"},
	        {"sysfs", "/sys", MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_RDONLY, NULL},
	        {"cgroup2", "/sys/fs/cgroup", MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_RDONLY, NULL},
	};
	mode_t mask = umask(0);

	if (unshare(CLONE_NEWCGROUP) < 0)
		return err_sys(e, "cannot make a cgroup namespace");
	if (enter_root(e) < 0)
		return -1;
	for (size_t i = 0; i < sizeof mounts / sizeof *mounts; i++) {
		if (strcmp(mounts[i].type, "cgroup2") != 0 && own_dir(mounts[i].at, e) < 0)
			return -1;
		if (mount(mounts[i].type, mounts[i].at, mounts[i].type, mounts[i].flags,
		            mounts[i].data) < 0)
			return err_sys(e, "cannot mount %s on %s", mounts[i].type, mounts[i].at);
		if (!strcmp(mounts[i].at, "/dev") && bind_names(e) < 0)
			return -1;
	}
	if (make_dev(e) < 0)
		return -1;
	umask(mask);
	return 0;
}

/* Splits OCI mount options into flags and file-system data. Returns 1 if tmpcopyup was there, else
 * 0; -1 if the data are too long. */
static int mount_options(const json_t *options, unsigned long *flags, char *data, size_t size)
{
	static const struct {
		const char *name;
		unsigned long set, clear;
	} known[] = {{"ro", MS_RDONLY, 0}, {"rw", 0, MS_RDONLY}, {"nosuid", MS_NOSUID, 0},
	        {"suid", 0, MS_NOSUID}, {"nodev", MS_NODEV, 0}, {"dev", 0, MS_NODEV},
	        {"noexec", MS_NOEXEC, 0}, {"exec", 0, MS_NOEXEC}, {"noatime", MS_NOATIME, 0},
	        {"relatime", MS_RELATIME, 0}, {"sync", MS_SYNCHRONOUS, 0}, {"rprivate", 0, 0},
	        {"private", 0, 0}, {"tmpcopyup", 0, 0}};
	bool copy_up = false;
	size_t i, used = 0;
	json_t *o;

	*flags = 0;
	*data = 0;
	json_array_foreach(options, i, o)
	{
		const char *s = json_string_value(o);
		size_t k = 0, n = sizeof known / sizeof *known;

		while (s && k < n && strcmp(known[k].name, s) != 0)
			k++;
		if (s && k < n) {
			*flags = (*flags | known[k].set) & ~known[k].clear;
			copy_up |= !strcmp(s, "tmpcopyup");
		} else if (s && used + strlen(s) + 2 >= size) {
			return -1;
		} else if (s) {
			used += (size_t)snprintf(
			        data + used, size - used, "%s%s", used ? "," : "", s);
		}
	}
	return copy_up;
}

static int mount_tmpfs(const json_t *m, struct err *e)
{
	const char *at = json_string_value(json_object_get(m, "destination"));
	const char *type = json_string_value(json_object_get(m, "type"));
	auto_fd int old = -1;
	unsigned long flags;
	struct stat st;
	char data[512];
	int copy_up;

	if (!at || *at != '/' || !type)
		return err_set(e, FCVM_EX_FAIL, "the plan has a mount without type or destination");
	if (strcmp(type, "tmpfs") != 0)
		return err_set(e, FCVM_EX_FAIL, "%s: mounts of type %s are not known", at, type);
	copy_up = mount_options(json_object_get(m, "options"), &flags, data, sizeof data);
	if (copy_up < 0)
		return err_set(e, FCVM_EX_FAIL, "%s: its mount options are too long", at);
	if (want_dir(at, e) < 0)
		return -1;
	old = open(at, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (old < 0 || fstat(old, &st) < 0)
		return err_sys(e, "cannot open %s in the container", at);
	if (mount("tmpfs", at, "tmpfs", flags & ~(unsigned long)MS_RDONLY, data) < 0)
		return err_sys(e, "cannot mount a tmpfs on %s", at);
	if (!strstr(data, "mode=") && chmod(at, st.st_mode & 07777) < 0)
		return err_sys(e, "cannot set the mode of %s", at);
	if (copy_up && copy_tree(old, at, e) < 0)
		return -1;
	if ((flags & MS_RDONLY) && mount(NULL, at, NULL, MS_REMOUNT | flags, data) < 0)
		return err_sys(e, "cannot make %s read-only", at);
	return 0;
}

/* An object the kernel shows but the container must not see. */
static int mask(const char *path, struct err *e)
{
	struct stat st;
	int r;

	if (stat(path, &st) < 0)
		return errno == ENOENT || errno == ENOTDIR ? 0 : err_sys(e, "cannot mask %s", path);
	if (S_ISDIR(st.st_mode))
		r = mount("tmpfs", path, "tmpfs", MS_RDONLY, "size=0k");
	else
		r = mount("/dev/null", path, NULL, MS_BIND, NULL);
	return r < 0 ? err_sys(e, "cannot mask %s", path) : 0;
}

/* Flags that a remount of this mount point must repeat. */
static unsigned long locked_flags(const char *path)
{
	static const struct {
		unsigned long st, ms;
	} map[] = {{ST_NOSUID, MS_NOSUID}, {ST_NODEV, MS_NODEV}, {ST_NOEXEC, MS_NOEXEC},
	        {ST_NOATIME, MS_NOATIME}, {ST_RELATIME, MS_RELATIME}};
	struct statvfs sv;
	unsigned long flags = 0;

	if (statvfs(path, &sv) == 0)
		for (size_t i = 0; i < sizeof map / sizeof *map; i++)
			if (sv.f_flag & map[i].st)
				flags |= map[i].ms;
	return flags;
}

static int read_only(const char *path, struct err *e)
{
	struct stat st;

	if (stat(path, &st) < 0 && (errno == ENOENT || errno == ENOTDIR))
		return 0;
	if (mount(path, path, NULL, MS_BIND | MS_REC, NULL) < 0 ||
	        mount(NULL, path, NULL, MS_BIND | MS_REMOUNT | MS_RDONLY | locked_flags(path),
	                NULL) < 0)
		return err_sys(e, "cannot make %s read-only", path);
	return 0;
}

/* Whether the path is the directory or below it. NULL: every path is. */
static bool is_under(const char *path, const char *dir)
{
	size_t n = dir ? strlen(dir) : 0;

	return !dir || (!strncmp(path, dir, n) && (!path[n] || path[n] == '/'));
}

static int each_path(
        const json_t *list, const char *under, int (*fn)(const char *, struct err *), struct err *e)
{
	size_t i;
	json_t *p;

	json_array_foreach(list, i, p)
	{
		const char *path = json_string_value(p);

		if (path && *path == '/' && is_under(path, under) && fn(path, e) < 0)
			return -1;
	}
	return 0;
}

/* One device node, from a uevent file: MAJOR=, MINOR=, DEVNAME=. */
static void device_node(const char *uevent, mode_t type)
{
	auto_file FILE *f = fopen(uevent, "re");
	char line[256], name[128] = "", path[160];
	unsigned major = 0, minor = 0;

	while (f && fgets(line, sizeof line, f)) {
		if (sscanf(line, "DEVNAME=%127s", name) != 1 &&
		        sscanf(line, "MAJOR=%u", &major) != 1)
			(void)!sscanf(line, "MINOR=%u", &minor);
	}
	if (!*name || strstr(name, ".."))
		return;
	snprintf(path, sizeof path, "/dev/%s", name);
	for (char *p = path + 5; (p = strchr(p, '/')); p++) {
		*p = 0;
		mkdir(path, 0755);
		*p = '/';
	}
	(void)!mknod(path, type | 0600, makedev(major, minor)); /* the standard nodes exist */
}

static void devices_of(const char *dir, mode_t type)
{
	char path[300];
	struct dirent *ent;
	DIR *d = opendir(dir);

	while (d && (ent = readdir(d))) {
		if (ent->d_name[0] == '.')
			continue;
		snprintf(path, sizeof path, "%s/%.200s/uevent", dir, ent->d_name);
		device_node(path, type);
	}
	if (d)
		closedir(d);
}

static int privileged(struct err *e)
{
	unsigned long flags = MS_NOSUID | MS_NODEV | MS_NOEXEC;

	if (mount(NULL, "/sys", NULL, MS_BIND | MS_REMOUNT | flags, NULL) < 0 ||
	        mount(NULL, "/sys", NULL, MS_REMOUNT | flags, NULL) < 0 ||
	        mount(NULL, "/sys/fs/cgroup", NULL, MS_BIND | MS_REMOUNT | flags, NULL) < 0 ||
	        mount(NULL, "/sys/fs/cgroup", NULL, MS_REMOUNT | flags, NULL) < 0)
		return err_sys(e, "cannot make /sys writable");
	devices_of("/sys/dev/char", S_IFCHR);
	devices_of("/sys/dev/block", S_IFBLK);
	return 0;
}

static int hide(const json_t *plan, const char *under, struct err *e)
{
	const json_t *linux_part = json_object_get(plan, "linux");

	if (each_path(json_object_get(linux_part, "maskedPaths"), under, mask, e) < 0)
		return -1;
	return each_path(json_object_get(linux_part, "readonlyPaths"), under, read_only, e);
}

int stage_hide(const void *plan_json, struct err *e)
{
	return hide(plan_json, NULL, e);
}

/* In the order of the plan, in which a mount comes after those above it. */
static int mount_all(const json_t *plan, const struct stage_done *done, struct err *e)
{
	const json_t *m;
	size_t i, k = 0;

	json_array_foreach(json_object_get(plan, "mounts"), i, m)
	{
		const char *at = json_string_value(json_object_get(m, "destination"));
		bool volume = volume_is(m);

		if (volume && k == done->n_volumes)
			return err_set(e, FCVM_EX_FAIL, "the agent did not hand over the volumes");
		if ((volume ? stage_volume(m, done->volumes[k++], e) : mount_tmpfs(m, e)) < 0)
			return -1;
		/* What the mount covers of what is hidden already is hidden once more. */
		if (done->hidden && hide(plan, at, e) < 0)
			return -1;
	}
	return 0;
}

int stage_mount_plan(const void *plan_json, const struct stage_done *done, struct err *e)
{
	const json_t *plan = plan_json;
	const char *hostname = json_string_value(json_object_get(plan, "hostname"));

	if (hostname && sethostname(hostname, strlen(hostname)) < 0)
		return err_sys(e, "cannot set the host name %s", hostname);
	if (names_write(plan, hostname ? hostname : "localhost", e) < 0)
		return -1;
	if (json_is_true(json_object_get(json_object_get(plan, "fcvm"), "privileged")) &&
	        privileged(e) < 0)
		return -1;
	if (mount_all(plan, done, e) < 0)
		return -1;
	if (!done->hidden && hide(plan, NULL, e) < 0)
		return -1;
	if (json_is_true(json_object_get(json_object_get(plan, "root"), "readonly")) &&
	        mount(NULL, "/", NULL, MS_BIND | MS_REMOUNT | MS_RDONLY | locked_flags("/"), NULL) <
	                0)
		return err_sys(e, "cannot make the root file system read-only");
	return 0;
}
