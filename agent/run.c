/* SPDX-License-Identifier: MIT
 * The last steps before the container's command: user, working directory, look-up in PATH, and
 * --init's small PID 1. */
#include "cleanup.h"
#include "json.h"
#include "stage.h"
#include "status.h"
#include "strv.h"
#include "xio.h"

#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

/* A JSON array of strings as a vector. */
static int words(const json_t *list, const char *what, struct strv *out, struct err *e)
{
	size_t i;
	json_t *w;

	json_array_foreach(list, i, w)
	{
		if (!json_is_string(w) || strlen(json_string_value(w)) != json_string_length(w))
			return err_set(e, FCVM_EX_FAIL, "the plan's %s are malformed", what);
		strv_add(out, json_string_value(w));
	}
	return 0;
}

static const char *env_get(const struct strv *env, const char *name)
{
	size_t n = strlen(name);

	for (size_t i = 0; i < env->n; i++)
		if (!strncmp(env->v[i], name, n) && env->v[i][n] == '=')
			return env->v[i] + n + 1;
	return NULL;
}

static int make_cwd(const char *cwd, const struct identity *id)
{
	return mkdir_p(cwd, 0755) < 0 || chown(cwd, id->uid, id->gid) < 0 ? -1 : chdir(cwd);
}

/* podman tells a missing directory from others for an exec, not for a run. */
static int enter_cwd(
        const char *cwd, const struct stage_how *how, const struct identity *id, struct err *e)
{
	char here[PATH_MAX];

	if (!cwd || !*cwd)
		cwd = "/";
	if (chdir(cwd) < 0 && !(errno == ENOENT && how->create_cwd && make_cwd(cwd, id) == 0)) {
		bool missing = errno == ENOENT && !how->main;

		err_sys(e, "workdir %s", cwd);
		e->status = missing ? FCVM_EX_NOENT : FCVM_EX_NOEXEC;
		return -1;
	}
	/* The kernel marks a directory outside of the root: nothing may start there. */
	if (syscall(SYS_getcwd, here, sizeof here) < 1 || here[0] != '/')
		return err_set(e, FCVM_EX_NOEXEC, "workdir %s: not in the container", cwd);
	return 0;
}

/* Executes argv as execvp(3) would with the container's own PATH; returns only with an error whose
 * status tells "not found" from "cannot be executed". */
static int exec_in_path(const struct strv *argv, const struct strv *env, struct err *e)
{
	const char *file = argv->v[0], *path = env_get(env, "PATH");
	int why = ENOENT;

	if (!path)
		path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
	if (strchr(file, '/')) {
		execve(file, argv->v, env->v);
		why = errno;
	}
	while (!strchr(file, '/') && *file) {
		size_t n = strcspn(path, ":");
		auto_free char *full = xasprintf("%.*s/%s", (int)n, n ? path : ".", file);
		struct stat st;

		if (stat(full, &st) == 0 && !S_ISDIR(st.st_mode)) {
			execve(full, argv->v, env->v);
			if (errno != ENOENT || why == ENOENT)
				why = errno;
		}
		if (!path[n])
			break;
		path += n + 1;
	}
	if (why == ENOENT)
		return err_set(e, FCVM_EX_NOENT, "%s: no such command in the container", file);
	return err_set(e, FCVM_EX_NOEXEC, "%s: cannot be executed: %s", file, strerror(why));
}

/* The command's parent under --init: passes signals on, reaps orphans, ends as its child does. */
static void __attribute__((noreturn)) be_init(pid_t main_pid)
{
	sigset_t all;
	int status = FCVM_EX_FAIL, sig;
	siginfo_t info;

	prctl(PR_SET_NAME, "fcvm-init");
	sigfillset(&all);
	for (;;) {
		pid_t pid;
		int ws;

		while ((pid = waitpid(-1, &ws, WNOHANG)) > 0) {
			if (pid != main_pid)
				continue;
			status = WIFSIGNALED(ws) ? FCVM_EX_SIGNAL + WTERMSIG(ws) : WEXITSTATUS(ws);
			_exit(status);
		}
		/* What the terminal sends (SI_KERNEL) goes to the command, too, without our help.
		 */
		sig = sigwaitinfo(&all, &info);
		if (sig > 0 && sig != SIGCHLD && info.si_code != SI_KERNEL)
			kill(main_pid, sig);
	}
}

static void fork_init(int sock)
{
	sigset_t all;
	pid_t pid;

	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, NULL);
	pid = fork();
	if (pid > 0) {
		close(sock); /* its end tells the agent that the command runs */
		be_init(pid);
	}
	/* In the child, or in PID 1 itself if there could be no child: go on to the command. */
}

static void reset_signals(void)
{
	sigset_t none;

	for (int i = 1; i < 65; i++)
		signal(i, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

/* A program of the agent's own, by descriptor: argv names the applet. */
static int exec_own(int file, const struct strv *argv, const struct strv *env, struct err *e)
{
	syscall(SYS_execveat, file, "", argv->v, env->v, AT_EMPTY_PATH);
	return err_set(
	        e, FCVM_EX_NOEXEC, "%s: cannot be executed: %s", argv->v[0], strerror(errno));
}

static int identity_of(const json_t *process, bool is_main, struct identity *id, struct err *e)
{
	const char *user =
	        json_string_value(json_object_get(json_object_get(process, "user"), "username"));

	if (identity_resolve(user, id, e) < 0)
		return -1;
	if (is_main && user && *user)
		identity_add_group(id);
	return 0;
}

static int limit(struct identity *id, const json_t *process, struct err *e)
{
	umask(0022);
	reset_signals();
	return identity_limit(id, process, e);
}

static int environment(
        const json_t *process, const struct identity *id, struct strv *env, struct err *e)
{
	if (words(json_object_get(process, "env"), "environment", env, e) < 0)
		return -1;
	if (!env_get(env, "HOME"))
		strv_addf(env, "HOME=%s", id->home);
	return 0;
}

int stage_exec_ahead(const void *process_json, struct stage_ahead *a, struct err *e)
{
	*a = (struct stage_ahead){0};
	return identity_of(process_json, false, &a->id, e) < 0 ||
	                       environment(process_json, &a->id, &a->env, e) < 0
	               ? -1
	               : limit(&a->id, process_json, e);
}

/* So that /dev/stdout can be opened again. */
static void give_streams(const struct identity *id)
{
	struct stat st;

	for (int fd = 0; fd < 3; fd++)
		if (fstat(fd, &st) == 0 && st.st_uid != id->uid)
			(void)!fchown(fd, id->uid, (gid_t)-1);
}

/* The process is what it is to be, but for its rights. */
static int settle(
        const json_t *process, const struct stage_how *how, struct stage_ahead *a, struct err *e)
{
	const char *cwd = json_string_value(json_object_get(process, "cwd"));

	if (how->ahead)
		*a = *how->ahead;
	else if (identity_of(process, how->main, &a->id, e) < 0 ||
	         environment(process, &a->id, &a->env, e) < 0)
		return -1;
	give_streams(&a->id);
	if (how->init)
		fork_init(how->sock);
	if (!json_is_true(json_object_get(process, "terminal")))
		setsid();
	if (enter_cwd(cwd, how, &a->id, e) < 0)
		return -1;
	return how->ahead ? 0 : limit(&a->id, process, e);
}

int stage_exec(const void *process_json, const struct stage_how *how, struct err *e)
{
	const json_t *process = process_json;
	auto_strv struct strv argv = {0};
	struct stage_ahead a = {0};

	if (words(json_object_get(process, "args"), "arguments", &argv, e) < 0)
		return -1;
	if (argv.n == 0)
		return err_set(e, FCVM_EX_FAIL, "there is no command to run");
	if (settle(process, how, &a, e) < 0 || identity_assume(&a.id, process, e) < 0)
		return -1;
	if (how->own >= 0 && how->own_only)
		return exec_own(how->own, &argv, &a.env, e);
	exec_in_path(&argv, &a.env, e);
	return how->own >= 0 && e->status == FCVM_EX_NOENT && !strchr(argv.v[0], '/')
	               ? exec_own(how->own, &argv, &a.env, e)
	               : -1;
}
