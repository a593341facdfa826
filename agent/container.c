/* SPDX-License-Identifier: MIT
 * The container's life as the agent sees it: plan in, process started, streams carried, end
 * reported once and truthfully. */
#include "agent.h"
#include "cleanup.h"
#include "exec.h"
#include "interface.h"
#include "json.h"
#include "meminfo.h"
#include "standby.h"
#include "status.h"
#include "strv.h"
#include "xio.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/wait.h>

static void cgroup_set(const char *file, uint64_t a, uint64_t b)
{
	auto_free char *path = xasprintf(STAGE_CGROUP "/%s", file);
	auto_fd int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0)
		return; /* a kernel without the controller limits by the machine's size alone */
	if (b)
		dprintf(fd, "%llu %llu", (unsigned long long)a, (unsigned long long)b);
	else
		dprintf(fd, "%llu", (unsigned long long)a);
}

/* The container may use what the machine has left; a little stays with the kernel and the agent,
 * so that a greedy container is ended by its own cgroup and the machine lives to report it. */
void agent_limit_memory(void)
{
	uint64_t memory = meminfo_available(), reserve = 16 << 20;

	if (memory > 4 * reserve)
		cgroup_set("memory.max", memory - reserve, 0);
}

static void limit(const struct agent *a, const json_t *plan)
{
	json_int_t milli =
	        json_integer_value(json_object_get(json_object_get(plan, "fcvm"), "cpuMilli"));

	if (!a->ready) /* else it was done before the machine was saved */
		agent_limit_memory();
	if (milli > 0)
		cgroup_set("cpu.max", (uint64_t)milli * 100, 100000);
}

/* How many processes of the container's cgroup were killed for memory. */
uint64_t agent_oom_kills(void)
{
	auto_file FILE *f = fopen(STAGE_CGROUP "/memory.events", "re");
	unsigned long long kills = 0;
	char line[128];

	while (f && fgets(line, sizeof line, f))
		if (sscanf(line, "oom_kill %llu", &kills) == 1)
			break;
	return kills;
}

/* Pipe ends for a stream: *ours non-blocking, *theirs not. */
static int stream_pipe(bool to_process, int *ours, int *theirs, struct err *e)
{
	int p[2];

	if (pipe2(p, O_CLOEXEC) < 0)
		return err_sys(e, "cannot make a pipe");
	*ours = to_process ? p[1] : p[0];
	*theirs = to_process ? p[0] : p[1];
	fcntl(*ours, F_SETFL, O_NONBLOCK);
	return 0;
}

static int start_with_pipes(struct agent *a, const char *text, bool interactive, struct err *e)
{
	auto_fd int in = -1, out = -1, err_out = -1, c_in = -1, c_out = -1, c_err = -1;

	if (interactive ? stream_pipe(true, &in, &c_in, e) < 0
	                : (c_in = open("/dev/null", O_RDONLY | O_CLOEXEC)) < 0)
		return -1;
	if (stream_pipe(false, &out, &c_out, e) < 0 || stream_pipe(false, &err_out, &c_err, e) < 0)
		return -1;
	if (stage_start(a->stage.sock, text, strlen(text), (int[3]){c_in, c_out, c_err}, e) < 0)
		return -1;
	return session_streams(
	        &a->container, steal_fd(&in), steal_fd(&out), steal_fd(&err_out), false);
}

int agent_stage(struct agent *a, struct err *e)
{
	if (stage_prepare(&a->stage, e) < 0)
		return -1;
	if (loop_add(&a->loop, &a->stage_watch, a->stage.sock, EPOLLIN, agent_stage_event, a) < 0)
		return err_sys(e, "cannot watch the container");
	return 0;
}

/* The container once more, with the files that it left. */
static int again(struct agent *a, struct err *e)
{
	session_close(&a->container);
	session_init(&a->container, CONTAINER_CHANNEL, &a->loop, &a->out);
	a->reported = a->failed = a->killed = a->volumes.written = false;
	err_set(&a->failure, FCVM_EX_FAIL, "the container's first process died");
	agent_thaw(a);
	return agent_stage(a, e);
}

int agent_plan(struct agent *a, const json_t *message, struct err *e)
{
	const json_t *plan = json_object_get(message, "plan");
	const json_t *own = json_object_get(plan, "fcvm");
	auto_free char *text = plan ? json_dumps(plan, JSON_COMPACT) : NULL;

	if (!text)
		return err_set(e, FCVM_EX_FAIL, "the host sent a message without a plan");
	if (!a->have_image || (a->container.pid && !a->reported))
		return err_set(e, FCVM_EX_FAIL, "this machine cannot take a plan");
	if (a->reported && again(a, e) < 0)
		return -1;
	json_decref(a->plan);
	a->plan = json_deep_copy(plan);
	if (!a->resumed)
		a->oom_before = agent_oom_kills();
	a->container.pid = a->stage.pid;
	if (a->failed) /* its report goes out now that the host waits for one */
		return 0;
	if (!a->resumed)
		agent_set_clock(message);
	a->resumed = false;
	if (volumes_mount(&a->volumes, plan, e) < 0)
		return -1;
	limit(a, plan);
	if (interface_apply(plan, &a->mtu, e) < 0)
		return -1;
	if (json_is_true(json_object_get(json_object_get(plan, "process"), "terminal"))) {
		a->rows = (unsigned short)json_integer_value(json_object_get(message, "rows"));
		a->cols = (unsigned short)json_integer_value(json_object_get(message, "cols"));
		a->interactive = json_is_true(json_object_get(own, "interactive"));
		if (stage_start(a->stage.sock, text, strlen(text), NULL, e) < 0)
			return -1;
	} else if (start_with_pipes(a, text, json_is_true(json_object_get(own, "interactive")), e) <
	           0) {
		return -1;
	}
	return volumes_hand_over(&a->volumes, a->stage.sock, e);
}

void agent_stage_event(void *ctx, uint32_t events)
{
	struct agent *a = ctx;
	struct err e;
	int master = -1;

	(void)events;
	switch (stage_news(a->stage.sock, &master, &e)) {
	case STAGE_NONE:
		return;
	case STAGE_READY:
		a->staged = true;
		agent_check_ready(a);
		return;
	case STAGE_TERMINAL:
		session_terminal(&a->container, master, a->interactive, a->rows, a->cols);
		return;
	case STAGE_RUNNING:
		agent_send(a, json_pack("{s:s}", "type", "STARTED"));
		break;
	case STAGE_FAILED:
		a->failure = e;
		a->failed = true;
		break;
	}
	loop_drop(&a->loop, &a->stage_watch, &a->stage.sock);
	agent_check_ready(a);
	agent_check_end(a);
}

void agent_signal_container(struct agent *a, int sig)
{
	if (!a->container.pid || a->container.exited || sig < 1 || sig > 64)
		return;
	a->killed |= sig == SIGKILL;
	kill(a->container.pid, sig);
}

void agent_reap(struct agent *a)
{
	struct signalfd_siginfo si;
	pid_t pid;
	int ws;

	while (read(a->signal_watch.fd, &si, sizeof si) == sizeof si)
		;
	exec_news(a);
	while ((pid = waitpid(-1, &ws, WNOHANG)) > 0)
		if (pid == a->freeze.standby.pid) {
			a->freeze.standby.pid = 0;
		} else if (pid == a->stage.pid) {
			standby_dismiss(a);
			session_exited(&a->container, ws);
		} else if (!volumes_reaped(&a->volumes, pid) && !exec_reaped(a, pid, ws)) {
			exec_news(a); /* its pid may be told only now */
			exec_reaped(a, pid, ws);
		}
	agent_check_end(a);
}

/* EXIT goes out when the process has ended, all it wrote was sent, and it is known whether it ran
 * at all. */
void agent_check_end(struct agent *a)
{
	struct session *s = &a->container;

	exec_check_ends(a);
	if (a->reported || !s->exited || a->stage.sock >= 0)
		return;
	if (!s->pid) { /* it died while it was being prepared */
		agent_fatal(a, &a->failure);
		return;
	}
	if ((!session_drained(s) && !a->failed) || !volumes_written(&a->volumes))
		return;
	session_report(s, a->failed ? &a->failure : NULL,
	        !a->failed && WIFSIGNALED(s->wstatus) && WTERMSIG(s->wstatus) == SIGKILL &&
	                !a->killed && agent_oom_kills() > a->oom_before);
	a->reported = true;
}
