/* SPDX-License-Identifier: MIT */
#include "clone.h"
#include "cleanup.h"
#include "fds.h"
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
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#define IDENTITY_DIR "/identity"
#define BOOT_ID      "/proc/sys/kernel/random/boot_id"
#define HOSTS_MAX    ((size_t)1 << 20)
#define NAMES_MAX    4096

static const char *text(const json_t *message, const char *key)
{
	const char *s = json_string_value(json_object_get(message, key));

	return s ? s : "";
}

/* A file of the agent's own, and a mount of it that is attached nowhere. Where this machine is a
 * clone itself the file is there, and what it is attached to shows what is written to it. */
static int identity_file(const char *name, int *file, int *mount)
{
	auto_free char *path = xasprintf(IDENTITY_DIR "/%s", name);

	if (mkdir(IDENTITY_DIR, 0755) < 0 && errno != EEXIST)
		return -1;
	*file = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0444);
	if (*file < 0 || fchmod(*file, 0444) < 0)
		return -1;
	*mount = open_tree(AT_FDCWD, path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
	return *mount < 0 ? -1 : 0;
}

/* What the process in the container's namespaces works with. */
struct job {
	const char *hostname, *old_hostname;
	const int *mounts; /* of files with machine-id and boot_id */
};
enum { MACHINE_ID, BOOT };

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

static int become_another(const struct job *j)
{
	if (cover(j->mounts[BOOT], BOOT_ID) < 0 || renew_machine_id(j->mounts[MACHINE_ID]) < 0)
		return -1;
	return rename_host(j);
}

/* Looks up what will be needed: then it is in memory, and needs no disk. */
static int rehearse(int container)
{
	prctl(PR_SET_DUMPABLE, 0); /* nothing of the container may look into this process */
	if (setns(container, CLONE_NEWNS | CLONE_NEWUTS) < 0)
		return -1;
	for (size_t i = 0; i < N_MACHINE_IDS; i++)
		has_machine_id(machine_ids[i]);
	return access(BOOT_ID, F_OK);
}

/* The two names come in one message, each with its end. */
static void __attribute__((noreturn)) stand_by(int container, int sock, const int *mounts)
{
	char names[2 * NAMES_MAX];
	ssize_t n;
	int answer = rehearse(container) < 0 ? errno : 0;

	while (send(sock, &answer, sizeof answer, MSG_NOSIGNAL) == sizeof answer && !answer &&
	        (n = recv(sock, names, sizeof names - 1, 0)) > 0) {
		struct job j = {.hostname = names, .mounts = mounts};

		names[n] = 0;
		j.old_hostname = names + strnlen(names, (size_t)n - 1) + 1;
		answer = become_another(&j) < 0 ? errno : 0;
	}
	_exit(0);
}

static int answer_of(int sock)
{
	int answer;
	ssize_t n;

	do
		n = recv(sock, &answer, sizeof answer, 0);
	while (n < 0 && errno == EINTR);
	errno = n == sizeof answer ? answer : ECHILD;
	return errno ? -1 : 0;
}

static int start_standby(struct standby *s, pid_t container)
{
	auto_fd int pidfd = (int)syscall(SYS_pidfd_open, container, 0);
	int pair[2];

	if (pidfd < 0 ||
	        identity_file("machine-id", &s->files[MACHINE_ID], &s->mounts[MACHINE_ID]) < 0 ||
	        identity_file("boot_id", &s->files[BOOT], &s->mounts[BOOT]) < 0 ||
	        socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return -1;
	s->pid = fork();
	if (s->pid == 0) {
		int keep[] = {pidfd, pair[1], s->mounts[0], s->mounts[1]};

		fds_close_others(keep, sizeof keep / sizeof *keep);
		stand_by(pidfd, pair[1], s->mounts);
	}
	close(pair[1]);
	s->sock = pair[0];
	return s->pid < 0 ? -1 : answer_of(s->sock);
}

int clone_prepare(struct agent *a, struct err *e)
{
	clone_dismiss(a);
	if (start_standby(&a->freeze.standby, a->container.pid) == 0)
		return 0;
	err_sys(e, "cannot prepare the container for being another");
	clone_dismiss(a);
	return -1;
}

/* The process ends with its socket, and is reaped as any. */
void clone_dismiss(struct agent *a)
{
	struct standby *s = &a->freeze.standby;
	int *const all[] = {&s->sock, &s->files[0], &s->files[1], &s->mounts[0], &s->mounts[1]};

	for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
		if (*all[i] > 0)
			close(*all[i]);
		*all[i] = -1;
	}
	s->pid = 0;
}

/* The host's words: of the form that the kernel has for them, or nothing is made of them. */
static bool is_hex(const char *s, size_t n, const char *also)
{
	for (size_t i = 0; i < n; i++)
		if (!strchr("0123456789abcdef", s[i]) && !strchr(also, s[i]))
			return false;
	return strlen(s) == n;
}

/* Their lengths are always the same. */
static int write_line(int file, const char *word)
{
	char line[40];

	snprintf(line, sizeof line, "%s\n", word);
	return pwrite_full(file, line, strlen(line), 0);
}

static int take_words(const struct standby *s, const json_t *message, struct err *e)
{
	const char *machine = text(message, "machineId"), *boot = text(message, "bootId");

	if (strnlen(machine, 33) != 32 || !is_hex(machine, 32, "") || strnlen(boot, 37) != 36 ||
	        !is_hex(boot, 36, "-"))
		return err_set(e, FCVM_EX_FAIL, "the host sent no identity for a clone");
	if (write_line(s->files[MACHINE_ID], machine) < 0 || write_line(s->files[BOOT], boot) < 0)
		return err_sys(e, "cannot keep the identity");
	return 0;
}

static int tell_standby(const struct standby *s, const char *name, const char *old, struct err *e)
{
	char names[2 * NAMES_MAX];
	int n = snprintf(names, sizeof names, "%s%c%s%c", name, 0, old, 0);

	if (n < 0 || (size_t)n >= sizeof names)
		return err_set(e, FCVM_EX_FAIL, "the host sent a name that is too long");
	if (send(s->sock, names, (size_t)n, MSG_NOSIGNAL) != n || answer_of(s->sock) < 0)
		return err_sys(e, "cannot make the container one of its own");
	return 0;
}

int clone_become(struct agent *a, const json_t *message, struct err *e)
{
	const json_t *plan = json_object_get(message, "plan");
	const struct standby *s = &a->freeze.standby;
	int r;

	if (!json_is_object(plan))
		return err_set(e, FCVM_EX_FAIL, "the host sent a message without a plan");
	r = agent_reseed(message, e);
	if (r == 0 && a->freeze.can_end_tcp && tcp_end_foreign() < 0)
		r = err_sys(e, "cannot end the TCP connections of the machine it was");
	if (r == 0)
		r = take_words(s, message, e);
	if (r == 0)
		r = tell_standby(s, text(plan, "hostname"), text(a->plan, "hostname"), e);
	if (r == 0) {
		json_decref(a->plan);
		a->plan = json_deep_copy(plan);
	}
	return r;
}
