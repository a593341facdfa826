/* SPDX-License-Identifier: MIT */
#include "clone.h"
#include "cleanup.h"
#include "guest_net.h"
#include "json.h"
#include "status.h"
#include "strv.h"
#include "xio.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sched.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

#define IDENTITY_DIR "/identity"
#define BOOT_ID      "/proc/sys/kernel/random/boot_id"
#define HOSTS_MAX    ((size_t)1 << 20)

static const char *text(const json_t *message, const char *key)
{
	const char *s = json_string_value(json_object_get(message, key));

	return s ? s : "";
}

/* A mount of a file of the agent's own with this text, attached nowhere; -1 with errno set. In a
 * clone of a clone the file is there, and what it is attached to has the new text. */
static int file_mount(const char *name, const char *content)
{
	auto_free char *path = xasprintf(IDENTITY_DIR "/%s", name);
	auto_fd int fd = -1;

	if (mkdir(IDENTITY_DIR, 0755) < 0 && errno != EEXIST)
		return -1;
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0444);
	if (fd < 0 || write_full(fd, content, strlen(content)) < 0)
		return -1;
	fchmod(fd, 0444);
	return open_tree(AT_FDCWD, path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
}

/* What the process in the container's namespaces works with. */
struct job {
	const char *hostname, *old_hostname;
	int machine_id, boot_id; /* mounts of files with them */
	bool rehearse;           /* only look at what will be needed */
};

/* Writes a file of the container's in place, if it is there and a plain one. */
static int rewrite(const char *path, const char *data, size_t n)
{
	auto_fd int fd = open(path, O_WRONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	struct statfs fs;
	struct stat st;

	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return -EINVAL;
	/* A volume's is not the clone's alone. */
	if (fstatfs(fd, &fs) < 0 || fs.f_type == FUSE_SUPER_MAGIC)
		return 0;
	if (ftruncate(fd, 0) < 0)
		return -errno;
	return write_full(fd, data, n);
}

/* The line that has the machine's own name gets the new one; what the user wrote stays. */
static void rename_in_hosts(const struct job *j)
{
	static const char *const own[] = {GUEST_IP4, "127.0.1.1"};
	auto_free char *hosts = NULL, *out = NULL;
	size_t n = 0, used = strlen(j->old_hostname);
	FILE *f = open_memstream(&out, &n);

	if (!f || read_file_at(AT_FDCWD, "/etc/hosts", HOSTS_MAX, &hosts, NULL) < 0)
		hosts = xstrdup("");
	for (char *line = hosts, *end; f && *line; line = end) {
		bool done = false;

		end = line + strcspn(line, "\n");
		end += *end == '\n';
		for (size_t i = 0; i < 2 && !done; i++) {
			size_t ip = strlen(own[i]);
			const char *name = line + ip + 1;

			done = !strncmp(line, own[i], ip) && line[ip] == '\t' &&
			       !strncmp(name, j->old_hostname, used) &&
			       (name[used] == '\n' || name[used] == ' ');
			if (done)
				fprintf(f, "%s\t%s\n", own[i], j->hostname);
		}
		if (!done)
			fwrite(line, 1, (size_t)(end - line), f);
	}
	if (f && fclose(f) == 0 && n)
		rewrite("/etc/hosts", out, n);
}

static int rename_host(const struct job *j)
{
	auto_free char *line = xasprintf("%s\n", j->hostname);

	if (!*j->hostname || !strcmp(j->hostname, j->old_hostname))
		return 0;
	rename_in_hosts(j);
	rewrite("/etc/hostname", line, strlen(line));
	return sethostname(j->hostname, strlen(j->hostname));
}

/* Puts the mount of a file over another, unless it is there. */
static int cover(int mount, const char *path)
{
	struct stat have, want;

	if (stat(path, &have) == 0 && fstat(mount, &want) == 0 && have.st_dev == want.st_dev &&
	        have.st_ino == want.st_ino)
		return 0;
	return move_mount(mount, "", AT_FDCWD, path, MOVE_MOUNT_F_EMPTY_PATH);
}

static const char *const machine_ids[] = {"/etc/machine-id", "/var/lib/dbus/machine-id"};
#define N_MACHINE_IDS (sizeof machine_ids / sizeof *machine_ids)

static bool has_machine_id(const char *path)
{
	struct stat st;

	return lstat(path, &st) == 0 && S_ISREG(st.st_mode) && st.st_size >= 32;
}

/* A container that has a machine-id gets another, which lies over its own: to write a file can take
 * a thread of the kernel's. */
static int renew_machine_id(int mount)
{
	auto_fd int second = -1;
	const char *first = NULL;

	for (size_t i = 0; i < N_MACHINE_IDS; i++) {
		if (!has_machine_id(machine_ids[i]))
			continue;
		if (first)
			mount = second =
			        open_tree(AT_FDCWD, first, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
		if (cover(mount, machine_ids[i]) < 0)
			return -1;
		first = machine_ids[i];
	}
	return 0;
}

/* In a process of its own, which nothing of the container may look into. */
static int in_container(const struct job *j, int container)
{
	prctl(PR_SET_DUMPABLE, 0);
	if (setns(container, CLONE_NEWNS | CLONE_NEWUTS) < 0)
		return -1;
	if (j->rehearse) {
		for (size_t i = 0; i < N_MACHINE_IDS; i++)
			has_machine_id(machine_ids[i]);
		return access(BOOT_ID, F_OK);
	}
	if (cover(j->boot_id, BOOT_ID) < 0 || renew_machine_id(j->machine_id) < 0)
		return -1;
	return rename_host(j);
}

static int in_child(const struct agent *a, const struct job *j, struct err *e)
{
	auto_fd int container = (int)syscall(SYS_pidfd_open, a->container.pid, 0);
	int ws = 0;
	pid_t pid = container < 0 ? -1 : fork();

	if (pid == 0)
		_exit(in_container(j, container) < 0 ? errno : 0);
	if (pid < 0 || waitpid(pid, &ws, 0) < 0)
		return err_sys(e, "cannot enter the container");
	if (ws == 0)
		return 0;
	errno = WIFEXITED(ws) ? WEXITSTATUS(ws) : ECHILD;
	return err_sys(e, "cannot make the container one of its own");
}

/* The host's words: of the form that the kernel has for them, or nothing is made of them. */
static bool is_hex(const char *s, size_t n, const char *also)
{
	for (size_t i = 0; i < n; i++)
		if (!strchr("0123456789abcdef", s[i]) && !strchr(also, s[i]))
			return false;
	return strlen(s) == n;
}

static int take_words(const json_t *message, struct job *j, struct err *e)
{
	const char *machine = text(message, "machineId"), *boot = text(message, "bootId");
	char line[40];

	if (strnlen(machine, 33) != 32 || !is_hex(machine, 32, "") || strnlen(boot, 37) != 36 ||
	        !is_hex(boot, 36, "-"))
		return err_set(e, FCVM_EX_FAIL, "the host sent no identity for a clone");
	snprintf(line, sizeof line, "%s\n", machine);
	j->machine_id = file_mount("machine-id", line);
	snprintf(line, sizeof line, "%s\n", boot);
	j->boot_id = file_mount("boot_id", line);
	return j->machine_id < 0 || j->boot_id < 0 ? err_sys(e, "cannot keep the identity") : 0;
}

void clone_rehearse(const struct agent *a)
{
	in_child(a, &(struct job){.rehearse = true}, NULL);
}

void clone_close(int files[CLONE_MOUNTS])
{
	for (size_t i = 0; i < CLONE_MOUNTS; i++)
		if (files[i] >= 0)
			close(files[i]);
}

int clone_become(struct agent *a, const json_t *message, int files[CLONE_MOUNTS], struct err *e)
{
	const json_t *plan = json_object_get(message, "plan");
	struct job j = {.hostname = text(plan, "hostname"),
	        .old_hostname = text(a->plan, "hostname"),
	        .machine_id = -1,
	        .boot_id = -1};
	int r;

	files[0] = files[1] = -1;
	if (!json_is_object(plan))
		return err_set(e, FCVM_EX_FAIL, "the host sent a message without a plan");
	r = agent_reseed(message, e);
	if (r == 0 && a->freeze.can_end_tcp && tcp_end_foreign() < 0)
		r = err_sys(e, "cannot end the TCP connections of the machine it was");
	if (r == 0)
		r = take_words(message, &j, e);
	if (r == 0)
		r = in_child(a, &j, e);
	files[0] = j.machine_id;
	files[1] = j.boot_id;
	if (r == 0) {
		json_decref(a->plan);
		a->plan = json_deep_copy(plan);
	}
	return r;
}
