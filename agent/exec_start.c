/* SPDX-License-Identifier: MIT
 * From a request to a process in the container's namespaces. */
#include "cleanup.h"
#include "exec.h"
#include "fds.h"
#include "join.h"
#include "json.h"
#include "standby.h"
#include "status.h"
#include "strv.h"
#include "xio.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/capability.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#define OWN_TOOLS "/initrd/bin/busybox"
#define VM_PATH   "PATH=/initrd/bin:/usr/sbin:/usr/bin:/sbin:/bin"

/* The descriptors of a process on its way into the container. */
enum { SOCK_FD = 3, TOOLS_FD, GO_FD, TELL_FD, PID_FD };

static json_t *all_caps(void)
{
	json_t *list = json_array();

	for (cap_value_t v = 0; v < cap_max_bits(); v++) {
		char *name = cap_to_name(v);

		if (name) {
			for (char *c = name; *c; c++)
				*c = (char)(*c >= 'a' && *c <= 'z' ? *c - 'a' + 'A' : *c);
			json_array_append_new(list, json_string(name));
		}
		cap_free(name);
	}
	return list;
}

static bool is_root(const char *user)
{
	size_t n = strcspn(user, ":");

	return n == 0 || (n == 1 && *user == '0') || (n == 4 && !strncmp(user, "root", 4));
}

/* As podman exec: root has the bounding set, the container's own user what the container has,
 * others nothing. */
static json_t *exec_caps(const json_t *process, const char *user, const char *own, bool privileged)
{
	const json_t *caps = json_object_get(process, "capabilities");
	json_t *theirs;
	auto_json json_t *bounding =
	        privileged ? all_caps() : json_incref(json_object_get(caps, "bounding"));

	if (!bounding)
		bounding = json_array();
	if (is_root(user))
		return json_pack("{s:O, s:O, s:O, s:[], s:[]}", "bounding", bounding, "effective",
		        bounding, "permitted", bounding, "inheritable", "ambient");
	if (!strcmp(user, own) && (theirs = json_object_get(caps, "effective")))
		return json_pack("{s:O, s:O, s:O, s:O, s:O}", "bounding", bounding, "effective",
		        theirs, "permitted", theirs, "inheritable", theirs, "ambient", theirs);
	return json_pack("{s:O, s:[], s:[], s:[], s:[]}", "bounding", bounding, "effective",
	        "permitted", "inheritable", "ambient");
}

static size_t name_length(const char *entry)
{
	return strcspn(entry, "=");
}

/* Adds "NAME=VALUE", in the place of an earlier one of that name. */
static void set_env(json_t *env, const char *entry)
{
	size_t i, n = name_length(entry);
	json_t *old;

	json_array_foreach(env, i, old)
	{
		const char *s = json_string_value(old);

		if (s && name_length(s) == n && !strncmp(s, entry, n)) {
			json_array_set_new(env, i, json_string(entry));
			return;
		}
	}
	json_array_append_new(env, json_string(entry));
}

static int merge_env(json_t *env, const json_t *more, struct err *e)
{
	size_t i;
	json_t *entry;

	json_array_foreach(more, i, entry)
	{
		const char *s = json_string_value(entry);

		if (!s || !strchr(s, '=') || *s == '=')
			return err_set(e, FCVM_EX_FAIL, "the request's environment is malformed");
		set_env(env, s);
	}
	return 0;
}

json_t *exec_process(const json_t *plan, const json_t *request, struct err *e)
{
	const json_t *base = json_object_get(plan, "process");
	const char *own =
	        json_string_value(json_object_get(json_object_get(base, "user"), "username"));
	const char *user = NULL, *cwd = NULL;
	bool vm = json_is_true(json_object_get(request, "vm"));
	bool privileged = vm || json_is_true(json_object_get(request, "privileged"));
	auto_json json_t *env = vm ? json_pack("[s, s]", VM_PATH, "HOME=/")
	                           : json_deep_copy(json_object_get(base, "env"));
	auto_json json_t *limits =
	        vm ? json_array() : json_incref(json_object_get(base, "rlimits"));

	if (json_get_str(request, "user", &user, e) < 0 ||
	        json_get_str(request, "cwd", &cwd, e) < 0)
		return NULL;
	own = vm || !own ? "" : own;
	user = user && *user ? user : own;
	if (!cwd || !*cwd)
		cwd = vm ? "/" : json_string_value(json_object_get(base, "cwd"));
	if (!env)
		env = json_array();
	if (merge_env(env, json_object_get(request, "env"), e) < 0)
		return NULL;
	return json_pack("{s:b, s:O?, s:O, s:s, s:{s:s}, s:o, s:O?, s:b}", "terminal",
	        (int)json_is_true(json_object_get(request, "tty")), "args",
	        json_object_get(request, "args"), "env", env, "cwd", cwd ? cwd : "/", "user",
	        "username", user, "capabilities", exec_caps(base, user, own, privileged), "rlimits",
	        limits, "noNewPrivileges",
	        (int)(!privileged && json_is_true(json_object_get(base, "noNewPrivileges"))));
}

/* A terminal needs /dev/pts; the agent's own root has none until it is asked for. */
static int vm_terminals(struct err *e)
{
	struct stat st;

	if (stat("/dev/pts/ptmx", &st) == 0)
		return 0;
	if (mkdir("/dev/pts", 0755) < 0 && errno != EEXIST)
		return err_sys(e, "cannot make /dev/pts");
	if (mount("devpts", "/dev/pts", "devpts", MS_NOSUID | MS_NOEXEC,
	            "newinstance,ptmxmode=0666,mode=620") < 0)
		return err_sys(e, "cannot mount /dev/pts");
	return 0;
}

struct job {
	const json_t *request;
	json_t *process;
	int tools;  /* the agent's own, for what wants them; else -1 */
	int pidfd;  /* of the container's first process; -1: stay in the agent's namespaces */
	int cgroup; /* the container's; -1: the agent's */
	int sock;   /* the process's end */
	int stdio[3];
	int go[2]; /* a pipe: the process waits until its pid was sent */
};

/* In the process that joins the container: the descriptors that are needed from here on, under
 * fixed numbers, and no others. Neither it nor what it forks may be looked into from there. */
static int settle(const struct job *j, struct err *e)
{
	const int want[] = {
	        [SOCK_FD - 3] = j->sock, j->tools, j->go[0], j->go[1], [PID_FD - 3] = j->pidfd};
	int r;

	prctl(PR_SET_DUMPABLE, 0);
	for (int i = 0; i < 3; i++)
		if (j->stdio[i] >= 0 && dup2(j->stdio[i], i) < 0)
			return err_sys(e, "cannot set up descriptor %d", i);
	r = fds_settle(want, sizeof want / sizeof *want);
	errno = -r;
	return r < 0 ? err_sys(e, "cannot set up the descriptors") : 0;
}

static void __attribute__((noreturn)) become(const struct job *j)
{
	struct stage_how how = {.sock = SOCK_FD,
	        .own = j->tools < 0 ? -1 : TOOLS_FD,
	        .own_only = json_is_true(json_object_get(j->request, "tool"))};
	struct err e = {.status = FCVM_EX_FAIL, .text = "unknown failure"};
	char byte;

	setsid(); /* who ends the session must find all of it */
	close(TELL_FD);
	close(PID_FD);
	if (read(GO_FD, &byte, 1) != 1)
		_exit(FCVM_EX_FAIL);
	close(GO_FD);
	if (json_is_true(json_object_get(j->request, "tty")) &&
	        stage_terminal(SOCK_FD, false, &e) < 0)
		stage_fail(SOCK_FD, &e);
	stage_exec(j->process, &how, &e);
	stage_fail(SOCK_FD, &e);
}

static void __attribute__((noreturn)) join_and_fork(const struct job *j)
{
	struct err e;

	if (settle(j, &e) < 0)
		stage_fail(j->sock, &e);
	if (stage_mortal(&e) < 0 || (j->pidfd < 0 && vm_terminals(&e) < 0))
		stage_fail(SOCK_FD, &e);
	if (join_fork_second(j->pidfd < 0 ? -1 : PID_FD, SOCK_FD, true) == 0)
		become(j);
	(void)!write(TELL_FD, "", 1);
	_exit(0);
}

static int make_pipes(bool interactive, struct job *j, int ours[3], struct err *e)
{
	for (int i = 0; i < 3; i++) {
		int p[2];

		if (i == 0 && !interactive) {
			j->stdio[0] = open("/dev/null", O_RDONLY | O_CLOEXEC);
			continue;
		}
		if (pipe2(p, O_CLOEXEC) < 0)
			return err_sys(e, "cannot make a pipe");
		ours[i] = i ? p[0] : p[1];
		j->stdio[i] = i ? p[1] : p[0];
		fcntl(ours[i], F_SETFL, O_NONBLOCK);
	}
	return 0;
}

static void release(struct job *j)
{
	int fds[] = {j->pidfd, j->cgroup, j->sock, j->stdio[0], j->stdio[1], j->stdio[2], j->go[0],
	        j->go[1]};

	for (size_t i = 0; i < sizeof fds / sizeof *fds; i++)
		if (fds[i] >= 0)
			close(fds[i]);
	json_decref(j->process);
}

static int can_enter(const struct agent *a, struct err *e)
{
	if (!a->container.pid || a->container.exited || a->stage.sock >= 0)
		return err_set(e, FCVM_EX_FAIL, "the container is not running");
	if (a->paused)
		return err_set(e, FCVM_EX_FAIL, "the container is paused");
	return 0;
}

static int find_container(const struct agent *a, struct job *j, struct err *e)
{
	j->pidfd = (int)syscall(SYS_pidfd_open, a->container.pid, 0);
	j->cgroup = open(STAGE_CGROUP, O_PATH | O_CLOEXEC);
	return j->pidfd < 0 || j->cgroup < 0 ? err_sys(e, "cannot find the container") : 0;
}

/* The agent's tools as a sealed copy: what runs in the container can be opened from there through
 * /proc/PID/exe, and must not be a file that anybody else will run. */
static int open_tools(struct agent *a, struct err *e)
{
	auto_fd int from = open(OWN_TOOLS, O_RDONLY | O_CLOEXEC);
	auto_fd int to = memfd_create("tools", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (a->tools >= 0)
		return 0;
	if (from < 0 || to < 0)
		return err_sys(e, "cannot open the agent's tools");
	if (copy_sparse(from, to) < 0 ||
	        fcntl(to, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) <
	                0)
		return err_sys(e, "cannot copy the agent's tools");
	a->tools = steal_fd(&to);
	return 0;
}

static int launch(struct job *j, struct err *e)
{
	pid_t pid = join_fork_first(j->cgroup);

	if (pid == 0)
		join_and_fork(j);
	return pid < 0 ? err_sys(e, "cannot start a process") : 0;
}

static int start(struct agent *a, struct job *j, int *sock, struct err *e)
{
	int pair[2];

	j->process = exec_process(a->plan, j->request, e);
	if (!j->process ||
	        (!json_is_true(json_object_get(j->request, "vm")) && find_container(a, j, e) < 0))
		return -1;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0 ||
	        pipe2(j->go, O_CLOEXEC) < 0)
		return err_sys(e, "cannot make a socket pair");
	j->sock = pair[1];
	fcntl(pair[0], F_SETFL, O_NONBLOCK);
	*sock = pair[0];
	return launch(j, e);
}

/* Whether the standby can be it, which is somebody and somewhere already. */
static bool is_plain(const json_t *request)
{
	static const char *const others[] = {"vm", "tool", "privileged"};
	static const char *const texts[] = {"user", "cwd"};
	const char *text;

	for (size_t i = 0; i < sizeof others / sizeof *others; i++)
		if (json_is_true(json_object_get(request, others[i])))
			return false;
	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
		if ((text = json_string_value(json_object_get(request, texts[i]))) && *text)
			return false;
	return json_array_size(json_object_get(request, "env")) == 0;
}

int exec_start(
        struct agent *a, const json_t *request, int *sock, pid_t *pid, int ours[3], struct err *e)
{
	struct job j = {.request = request,
	        .tools = -1,
	        .pidfd = -1,
	        .cgroup = -1,
	        .sock = -1,
	        .stdio = {-1, -1, -1},
	        .go = {-1, -1}};
	bool interactive = json_is_true(json_object_get(request, "interactive"));
	bool vm = json_is_true(json_object_get(request, "vm"));
	bool tool = json_is_true(json_object_get(request, "tool"));
	bool tty = json_is_true(json_object_get(request, "tty"));
	bool ready, pipes;
	int r = -1;

	*pid = 0;
	if (!vm && can_enter(a, e) < 0)
		goto out;
	if ((vm || tool) && open_tools(a, e) < 0)
		goto out;
	j.tools = vm || tool ? a->tools : -1;
	ready = standby_waits(a) && is_plain(request);
	pipes = !tty && (interactive || !ready);
	if (pipes && make_pipes(interactive, &j, ours, e) < 0)
		goto out;
	if (ready)
		r = standby_exec(a, request, pipes ? j.stdio : NULL, ours, sock, pid, e);
	else
		r = start(a, &j, sock, e);
out:
	release(&j);
	for (int i = 0; r < 0 && i < 3; i++) {
		if (ours[i] >= 0)
			close(ours[i]);
		ours[i] = -1;
	}
	return r;
}
