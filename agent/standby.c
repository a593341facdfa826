/* SPDX-License-Identifier: MIT */
#include "standby.h"
#include "cleanup.h"
#include "clock.h"
#include "clone.h"
#include "exec.h"
#include "fds.h"
#include "join.h"
#include "json.h"
#include "status.h"
#include "strv.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <unistd.h>

#define NAMES_MAX  4096
#define PREPARE_MS 5000
#define NUDGE_MS   20
#define ANSWER_S   20 /* in the end it is the agent that must go on */

/* The descriptors of the process. */
enum { SOCK_FD = 3, MOUNT_FD, PID_FD = MOUNT_FD + CLONE_COVERS };

/* Returns only with an error. */
static int become(json_t *process, const struct stage_how *how, struct err *e)
{
	struct stage_order o;
	bool tty;

	if (stage_receive(SOCK_FD, &o, e) < 0)
		_exit(0); /* dismissed */
	tty = json_is_true(json_object_get(o.plan, "tty"));
	json_object_set(process, "args", json_object_get(o.plan, "args"));
	json_object_set_new(process, "terminal", json_boolean(tty));
	if (tty && stage_terminal(SOCK_FD, false, e) < 0)
		return -1;
	for (int i = 0; o.has_stdio && i < 3; i++)
		if (dup2(o.stdio[i], i) < 0)
			return err_sys(e, "cannot set up descriptor %d", i);
	return stage_exec(process, how, e);
}

static bool answer(int failed)
{
	int error = failed ? errno : 0;

	return send(SOCK_FD, &error, sizeof error, MSG_NOSIGNAL) == sizeof error && !error;
}

/* What was called after the VM is called after the clone. */
static void rename_in_env(struct strv *env, const char *name, const char *old)
{
	for (size_t i = 0; i < env->n; i++)
		if (!strncmp(env->v[i], "HOSTNAME=", 9) && !strcmp(env->v[i] + 9, old)) {
			free(env->v[i]);
			env->v[i] = xasprintf("HOSTNAME=%s", name);
		}
}

/* Told to rehearse, and then the names, each with its end, after a byte that says whether it stays.
 */
static void __attribute__((noreturn)) stand_by(json_t *process)
{
	static const int mounts[CLONE_COVERS] = {MOUNT_FD, MOUNT_FD + 1, MOUNT_FD + 2};
	struct stage_how how = {.sock = SOCK_FD, .own = -1};
	struct clone_names known = CLONE_NAMES_NONE;
	char text[1 + 2 * NAMES_MAX];
	struct sched_param p = {0};
	struct err e = {.status = FCVM_EX_FAIL, .text = "unknown failure"};
	struct stage_ahead ahead;
	const char *name, *old;
	ssize_t n;
	bool good;

	setsid();                     /* who ends the session must find all of it */
	memset(text, 0, sizeof text); /* its pages are there */
	if (recv(SOCK_FD, text, sizeof text, 0) <= 0)
		_exit(0);
	/* A shell is what most commands are given to. */
	stage_warm_command("sh", process);
	if (stage_exec_ahead(process, &ahead, &e) == 0)
		how.ahead = &ahead;
	if (!answer(clone_rehearse(&known, mounts)))
		_exit(FCVM_EX_FAIL);
	while ((n = recv(SOCK_FD, text, sizeof text - 1, 0)) == 1) /* is it there? */
		if (!answer(0))
			_exit(0);
	if (n < 1)
		_exit(0);
	text[n] = 0;
	name = text + 1;
	old = name + strlen(name) + 1;
	good = answer(clone_rename(&known, name, old, mounts));
	rename_in_env(&ahead.env, name, old);
	/* Not before: from here on whoever holds the processor comes first. */
	sched_setscheduler(0, SCHED_OTHER, &p);
	if (!good || !text[0])
		_exit(0);
	close_range(MOUNT_FD, ~0U, 0);
	become(process, &how, &e);
	stage_fail(SOCK_FD, &e);
}

/* Who cannot become a command is not seen in the container, nor held up with it. */
static void __attribute__((noreturn))
join(const struct standby *s, int pidfd, int sock, const int stdio[3], json_t *process)
{
	const int want[] = {sock, s->mounts[0], s->mounts[1], s->mounts[2], pidfd};
	struct err e;

	prctl(PR_SET_DUMPABLE, 0); /* nothing of the container may look into this process */
	for (int i = 0; i < 3; i++)
		if (dup2(stdio[i], i) < 0)
			_exit(FCVM_EX_FAIL);
	if (fds_settle(want, sizeof want / sizeof *want) < 0 || stage_mortal(&e) < 0)
		_exit(FCVM_EX_FAIL);
	if (join_fork_second(PID_FD, SOCK_FD, s->in_cgroup) == 0)
		stand_by(process);
	_exit(0);
}

static int answer_of(int sock)
{
	int error;
	ssize_t n;

	do
		n = recv(sock, &error, sizeof error, 0);
	while (n < 0 && errno == EINTR);
	errno = n == sizeof error ? error : ECHILD;
	return errno ? -1 : 0;
}

/* While others run, who may be stopping it. */
static int wait_for_answer(const struct standby *s)
{
	struct pollfd p = {.fd = s->sock, .events = POLLIN};
	int64_t until = clock_ms() + PREPARE_MS;

	while (poll(&p, 1, NUDGE_MS) == 0) {
		kill(s->pid, SIGCONT);
		if (clock_ms() > until) {
			errno = ETIMEDOUT;
			return -1;
		}
	}
	return answer_of(s->sock);
}

static int take_pid(struct standby *s)
{
	char text[JOIN_PID_SIZE + 1];

	s->pid = join_pid(text, recv(s->sock, text, sizeof text, 0));
	errno = ECHILD;
	return s->pid > 0 ? 0 : -1;
}

/* The streams that a command has whose client only listens. */
static int make_streams(int ours[3], int theirs[3])
{
	theirs[0] = open("/dev/null", O_RDONLY | O_CLOEXEC);
	for (int i = 1; i < 3; i++) {
		int p[2];

		if (pipe2(p, O_CLOEXEC) < 0)
			return -1;
		ours[i] = p[0];
		theirs[i] = p[1];
		fcntl(ours[i], F_SETFL, O_NONBLOCK);
	}
	return theirs[0];
}

static int start(struct standby *s, pid_t container, json_t *process, int stdio[3])
{
	auto_fd int pidfd = (int)syscall(SYS_pidfd_open, container, 0);
	auto_fd int group = s->in_cgroup ? open(STAGE_CGROUP, O_PATH | O_CLOEXEC) : -1;
	struct timeval limit = {.tv_sec = ANSWER_S};
	pid_t first;
	int pair[2];

	if (pidfd < 0 || (s->in_cgroup && group < 0) || make_streams(s->ours, stdio) < 0 ||
	        clone_open_files(s) < 0 ||
	        socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return -1;
	first = join_fork_first(group);
	if (first == 0)
		join(s, pidfd, pair[1], stdio, process);
	close(pair[1]);
	s->sock = pair[0];
	setsockopt(s->sock, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
	if (first < 0 || take_pid(s) < 0 || send(s->sock, "", 1, MSG_NOSIGNAL) != 1)
		return -1;
	return wait_for_answer(s);
}

/* Who may look into other processes would find one there that may do anything. */
static bool may_trace(const json_t *process)
{
	const json_t *caps = json_object_get(process, "capabilities"), *name;
	size_t i;

	json_array_foreach(json_object_get(caps, "bounding"), i, name)
	{
		const char *s = json_string_value(name);

		if (s && !strcmp(s, "CAP_SYS_PTRACE"))
			return true;
	}
	return false;
}

int standby_start(struct agent *a, struct err *e)
{
	auto_json json_t *plain = json_pack("{s:[]}", "args");
	auto_json json_t *process = exec_process(a->plan, plain, e);
	struct standby *s = &a->freeze.standby;
	int stdio[3] = {-1, -1, -1}, r;

	standby_dismiss(a);
	if (!process)
		return -1;
	s->in_cgroup = !a->paused && !may_trace(process);
	r = start(s, a->container.pid, process, stdio);
	if (r < 0)
		err_sys(e, "cannot prepare the container for being another");
	for (int i = 0; i < 3; i++)
		if (stdio[i] >= 0)
			close(stdio[i]);
	if (r < 0)
		standby_dismiss(a);
	return r;
}

int standby_check(const struct agent *a, struct err *e)
{
	const struct standby *s = &a->freeze.standby;

	if (s->pid)
		kill(s->pid, SIGCONT);
	if (!s->pid || send(s->sock, "", 1, MSG_NOSIGNAL) != 1 || answer_of(s->sock) < 0)
		return err_set(e, FCVM_EX_FAIL,
		        "the container has ended a process that was to prepare it: try again");
	return 0;
}

int standby_rename(struct agent *a, const char *name, const char *old, bool stay, struct err *e)
{
	struct standby *s = &a->freeze.standby;
	char text[1 + 2 * NAMES_MAX];
	int n = snprintf(text + 1, sizeof text - 1, "%s%c%s%c", name, 0, old, 0);

	if (n < 0 || (size_t)n >= sizeof text - 1)
		return err_set(e, FCVM_EX_FAIL, "the host sent a name that is too long");
	s->stays = stay && s->in_cgroup;
	text[0] = (char)s->stays;
	if (send(s->sock, text, 1 + (size_t)n, MSG_NOSIGNAL) != 1 + n || answer_of(s->sock) < 0)
		return err_sys(e, "cannot make the container one of its own");
	return 0;
}

bool standby_waits(const struct agent *a)
{
	const struct standby *s = &a->freeze.standby;

	return s->stays && s->pid > 0 && s->sock > 0;
}

int standby_exec(struct agent *a, const json_t *request, const int stdio[3], int ours[3], int *sock,
        pid_t *pid, struct err *e)
{
	struct standby *s = &a->freeze.standby;
	auto_free char *text = json_dumps(request, JSON_COMPACT);

	if (!text)
		return err_set(e, FCVM_EX_FAIL, "out of memory");
	if (stage_start(s->sock, text, strlen(text), stdio, e) < 0)
		return -1;
	fcntl(s->sock, F_SETFL, O_NONBLOCK);
	*sock = s->sock;
	*pid = s->pid;
	s->sock = -1;
	s->pid = 0;
	for (int i = 1; !stdio && !json_is_true(json_object_get(request, "tty")) && i < 3; i++) {
		ours[i] = s->ours[i];
		s->ours[i] = -1;
	}
	return 0; /* the rest is for standby_dismiss() */
}

void standby_dismiss(struct agent *a)
{
	struct standby *s = &a->freeze.standby;

	if (s->pid)
		kill(s->pid, SIGKILL); /* also one that was stopped */
	if (s->sock > 0)
		close(s->sock);
	s->sock = -1;
	for (int i = 1; i < 3; i++) {
		if (s->ours[i] > 0)
			close(s->ours[i]);
		s->ours[i] = -1;
	}
	clone_close_files(s);
	s->pid = 0;
	s->stays = false;
}
