/* SPDX-License-Identifier: MIT */
#include "stage.h"
#include "cleanup.h"
#include "fds.h"
#include "json.h"
#include "proto.h"
#include "status.h"
#include "strv.h"
#include "volume.h"
#include "xio.h"

#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <termios.h>

#define MESSAGE_MAX ((size_t)64 << 10) /* well below what a socket takes at once */

static json_t *load_plan(int fd, struct err *e)
{
	off_t size = lseek(fd, 0, SEEK_END);
	auto_free char *text = NULL;

	if (size < 0 || (size_t)size > PROTO_TEXT_MAX || lseek(fd, 0, SEEK_SET) < 0) {
		err_sys(e, "cannot size the plan");
		return NULL;
	}
	text = xcalloc(1, (size_t)size + 1);
	if (read_full(fd, text, (size_t)size) != size) {
		err_sys(e, "cannot read the plan");
		return NULL;
	}
	return json_parse(text, (size_t)size, "the plan", e);
}

/* A plan that is too long for a message comes as a file, ahead of the other descriptors. */
int stage_receive(int sock, struct stage_order *o, struct err *e)
{
	auto_free char *text = xcalloc(1, MESSAGE_MAX);
	auto_fd int file = -1;
	int fds[FDS_MAX];
	size_t n_fds, first;
	ssize_t r = fds_receive(sock, text, MESSAGE_MAX, fds, &n_fds, 0);

	if (r <= 0)
		return err_set(e, FCVM_EX_FAIL, "the agent went away before the container ran");
	first = n_fds % 3;
	if (first)
		file = fds[0];
	o->kind = text[0];
	o->has_stdio = n_fds >= 3;
	for (size_t i = 0; i < 3; i++)
		o->stdio[i] = o->has_stdio ? fds[first + i] : -1;
	o->plan = first ? load_plan(file, e) : json_parse(text + 1, (size_t)r - 1, "the plan", e);
	return o->plan ? 0 : -1;
}

/* A machine that will be saved: what every plan needs is done before. */
static int prepare(int sock, const json_t *plan, struct err *e)
{
	if (stage_hide(plan, e) < 0)
		return -1;
	stage_warm(plan);
	if (fds_send(sock, "R", 1, NULL, 0) < 0)
		return err_set(e, FCVM_EX_FAIL, "the agent went away before the container ran");
	return 0;
}

/* Waits for the plan and becomes the container's command. Returns only with an error. */
static int run(int sock, struct err *e)
{
	struct stage_how how = {.main = true, .sock = sock, .own = -1};
	auto_json json_t *plan = NULL;
	struct stage_done done = {.hidden = false};
	struct stage_order o = {0};
	const json_t *own;

	if (stage_mount_generic(e) < 0 || stage_receive(sock, &o, e) < 0)
		return -1;
	while (o.kind == 'T') {
		auto_json json_t *like = o.plan;

		if (prepare(sock, like, e) < 0 || stage_receive(sock, &o, e) < 0)
			return -1;
		done.hidden = true;
	}
	plan = o.plan;
	if (stage_volumes_take(sock, plan, done.volumes, &done.n_volumes, e) < 0)
		return -1;
	if (!o.has_stdio && stage_terminal(sock, true, e) < 0)
		return -1;
	for (int i = 0; o.has_stdio && i < 3; i++)
		if (dup2(o.stdio[i], i) < 0)
			return err_sys(e, "cannot set up descriptor %d", i);
	if (stage_mount_plan(plan, &done, e) < 0)
		return -1;
	own = json_object_get(plan, "fcvm");
	how.create_cwd = json_is_true(json_object_get(own, "createCwd"));
	how.init = json_is_true(json_object_get(own, "init"));
	return stage_exec(json_object_get(plan, "process"), &how, e);
}

void stage_fail(int sock, struct err *e)
{
	char report[sizeof e->text + 2];
	size_t n;

	if (e->status == FCVM_EX_SYS || e->status == FCVM_EX_DATA)
		e->status = FCVM_EX_FAIL;
	n = strlen(e->text);
	report[0] = 'E';
	report[1] = (char)e->status;
	memcpy(report + 2, e->text, n);
	fds_send(sock, report, n + 2, NULL, 0);
	_exit(e->status);
}

void stage_close_others(int sock)
{
	if (sock > 3)
		close_range(3, (unsigned)sock - 1, 0);
	close_range((unsigned)sock + 1, ~0U, 0);
}

int stage_mortal(struct err *e)
{
	int r = write_existing("/proc/self/oom_score_adj", "0");

	if (r == 0)
		return 0;
	errno = -r;
	return err_sys(e, "cannot reset oom_score_adj");
}

static void __attribute__((noreturn)) child(int sock)
{
	struct err e = {.status = FCVM_EX_FAIL, .text = "unknown failure"};

	stage_close_others(sock);
	if (stage_mortal(&e) == 0)
		run(sock, &e);
	stage_fail(sock, &e);
}

/* Held, the namespaces outlive the container: their last user would take them apart in its exit,
 * and the exit is what everybody waits for. */
static void hold_namespaces(struct stage *st)
{
	static const char *const kinds[] = {"mnt", "ipc"};

	for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
		char path[40];

		if (st->held[i] > 0)
			close(st->held[i]);
		snprintf(path, sizeof path, "/proc/%d/ns/%s", (int)st->pid, kinds[i]);
		st->held[i] = open(path, O_RDONLY | O_CLOEXEC);
	}
}

int stage_prepare(struct stage *st, struct err *e)
{
	struct clone_args args = {.flags = CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWUTS |
	                                   CLONE_NEWIPC | CLONE_INTO_CGROUP,
	        .exit_signal = SIGCHLD};
	auto_fd int cgroup = open(STAGE_CGROUP, O_PATH | O_CLOEXEC);
	int pair[2];

	if (cgroup < 0)
		return err_sys(e, "cannot open the container's cgroup");
	args.cgroup = (uint64_t)cgroup;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return err_sys(e, "cannot make a socket pair");
	st->pid = (pid_t)syscall(SYS_clone3, &args, sizeof args);
	if (st->pid < 0) {
		close(pair[0]);
		close(pair[1]);
		return err_sys(e, "cannot make the container's namespaces");
	}
	if (st->pid == 0) {
		close(pair[0]);
		child(pair[1]);
	}
	close(pair[1]);
	fcntl(pair[0], F_SETFL, O_NONBLOCK);
	st->sock = pair[0];
	hold_namespaces(st);
	return 0;
}

static int plan_file(const char *plan, size_t n, struct err *e)
{
	auto_fd int file = memfd_create("plan", MFD_CLOEXEC);
	int r = file < 0 ? -errno : write_full(file, plan, n);

	errno = -r;
	return r < 0 ? err_sys(e, "cannot hand over the plan") : steal_fd(&file);
}

static int send_plan(
        int sock, char kind, const char *plan, size_t n, const int stdio[3], struct err *e)
{
	auto_free char *text = xcalloc(1, MESSAGE_MAX);
	bool fits = n < MESSAGE_MAX;
	auto_fd int file = fits ? -1 : plan_file(plan, n, e);
	size_t n_fds = 0;
	int fds[FDS_MAX], r;

	if (!fits && file < 0)
		return -1;
	text[0] = kind;
	if (fits)
		memcpy(text + 1, plan, n);
	else
		fds[n_fds++] = file;
	for (int i = 0; stdio && i < 3; i++)
		fds[n_fds++] = stdio[i];
	r = fds_send(sock, text, fits ? n + 1 : 1, fds, n_fds);
	/* A process that has failed already closed its end: what it has sent says why. */
	if (r < 0 && r != -EPIPE) {
		errno = -r;
		return err_sys(e, "cannot hand over the plan");
	}
	return 0;
}

int stage_ready(struct stage *st, const char *plan, size_t n, struct err *e)
{
	return send_plan(st->sock, 'T', plan, n, NULL, e);
}

int stage_start(int sock, const char *plan, size_t n, const int stdio[3], struct err *e)
{
	return send_plan(sock, 'P', plan, n, stdio, e);
}

enum stage_news stage_news(int sock, int *master, struct err *e)
{
	char text[sizeof e->text + 2];
	int fds[FDS_MAX];
	size_t n_fds;
	ssize_t n = fds_receive(sock, text, sizeof text - 1, fds, &n_fds, 0);

	/* A process that failed before it read the plan resets the connection; its report follows.
	 */
	if (n == -ECONNRESET)
		n = fds_receive(sock, text, sizeof text - 1, fds, &n_fds, 0);
	if (n == -EAGAIN || n == -EINTR)
		return STAGE_NONE;
	if (n == 0)
		return STAGE_RUNNING;
	if (n == 1 && text[0] == 'R')
		return STAGE_READY;
	if (n == 1 && text[0] == 'T' && n_fds == 1) {
		*master = fds[0];
		return STAGE_TERMINAL;
	}
	if (n > 1 && text[0] == 'E') {
		text[n] = 0;
		err_set(e, (unsigned char)text[1], "%s", text + 2);
	} else {
		err_set(e, FCVM_EX_FAIL, "the process broke off before it ran its command");
	}
	return STAGE_FAILED;
}

int stage_terminal(int sock, bool console, struct err *e)
{
	auto_fd int master = open("/dev/pts/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC);
	auto_fd int slave = -1;
	char name[32];
	int zero = 0, number;

	if (master < 0 || ioctl(master, TIOCSPTLCK, &zero) < 0 ||
	        ioctl(master, TIOCGPTN, &number) < 0)
		return err_sys(e, "cannot make a terminal");
	snprintf(name, sizeof name, "/dev/pts/%d", number);
	slave = open(name, O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (slave < 0)
		return err_sys(e, "cannot open %s", name);
	if (fds_send(sock, "T", 1, &master, 1) < 0)
		return err_sys(e, "cannot hand over the terminal");
	setsid();
	if (ioctl(slave, TIOCSCTTY, 0) < 0)
		return err_sys(e, "cannot take the terminal");
	for (int i = 0; i < 3; i++)
		if (dup2(slave, i) < 0)
			return err_sys(e, "cannot set up descriptor %d", i);
	if (!console)
		return 0;
	close(open("/dev/console", O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
	if (mount(name, "/dev/console", NULL, MS_BIND, NULL) < 0)
		return err_sys(e, "cannot bind /dev/console");
	return 0;
}
