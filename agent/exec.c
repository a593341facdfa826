/* SPDX-License-Identifier: MIT */
#include "exec.h"
#include "cleanup.h"
#include "join.h"
#include "json.h"
#include "status.h"
#include "strv.h"

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/wait.h>

#define KILL_ROUNDS 4
#define NO_CHANNEL  0 /* nobody hears of it any more */

struct exec {
	struct session s;
	struct agent *agent;
	struct proto_text request; /* pieces of OPEN */
	bool interactive, tty;
	unsigned short rows, cols;
	int sock; /* of the process until it runs its command; else -1 */
	struct watch watch;
	bool failed;  /* it never ran: */
	bool closed;  /* nobody listens any more */
	int kill_sig; /* a signal that came before the pid was known */
	struct err failure;
	struct exec *next;
};

static struct exec *find(struct agent *a, uint16_t channel)
{
	struct exec *x = a->execs;

	while (x && x->s.channel != channel)
		x = x->next;
	return x;
}

static void fail(struct exec *x, const struct err *e)
{
	x->failed = true;
	x->failure = *e;
}

static struct exec *add(struct agent *a, uint16_t channel)
{
	struct exec *x;
	size_t n = 0;

	for (x = a->execs; x; x = x->next)
		n++;
	if (n >= EXECS_MAX)
		return NULL;
	x = xcalloc(1, sizeof *x);
	session_init(&x->s, channel, &a->loop, &a->out);
	x->s.brief = true;
	x->agent = a;
	x->sock = x->watch.fd = -1;
	x->next = a->execs;
	a->execs = x;
	return x;
}

/* All processes of the session that the command leads. More than once, because one may be forking;
 * a zombie that its parent leaves counts as found for ever. */
static void kill_session(pid_t leader)
{
	kill(leader, SIGKILL);
	for (int round = 0; round < KILL_ROUNDS; round++) {
		DIR *d = opendir("/proc");
		struct dirent *ent;

		while (d && (ent = readdir(d))) {
			pid_t pid = (pid_t)atoi(ent->d_name);

			if (pid > 1 && getsid(pid) == leader)
				kill(pid, SIGKILL);
		}
		if (d)
			closedir(d);
	}
}

static void have_pid(struct exec *x, pid_t pid)
{
	x->s.pid = pid;
	if (x->closed)
		kill_session(pid);
	else if (x->kill_sig)
		kill(pid, x->kill_sig);
}

static void news(void *ctx, uint32_t events)
{
	struct exec *x = ctx;
	char text[JOIN_PID_SIZE + 1];
	int master = -1;
	struct err e;

	(void)events;
	if (!x->s.pid) {
		pid_t pid = join_pid(text, recv(x->sock, text, sizeof text, MSG_PEEK));

		if (pid > 0) {
			(void)!recv(x->sock, text, sizeof text, 0);
			have_pid(x, pid);
			return;
		}
	}
	switch (stage_news(x->sock, &master, &e)) {
	case STAGE_NONE:
	case STAGE_READY:
		return;
	case STAGE_TERMINAL:
		if (x->closed)
			close(master);
		else
			session_terminal(&x->s, master, x->interactive, x->rows, x->cols);
		return;
	case STAGE_RUNNING:
		if (!x->s.pid) {
			err_set(&e, FCVM_EX_FAIL, "the process could not be started");
			fail(x, &e);
			break;
		}
		if (x->s.channel != NO_CHANNEL)
			agent_send(x->agent, json_pack("{s:s, s:i}", "type", "STARTED", "channel",
			                             x->s.channel));
		break;
	case STAGE_FAILED:
		fail(x, &e);
		break;
	}
	loop_drop(x->s.loop, &x->watch, &x->sock);
}

void exec_news(struct agent *a)
{
	for (struct exec *x = a->execs; x; x = x->next) {
		struct pollfd p = {.fd = x->sock, .events = POLLIN};

		while (x->sock >= 0 && poll(&p, 1, 0) > 0)
			news(x, POLLIN);
	}
}

static int start(struct exec *x, const json_t *request, struct err *e)
{
	int ours[3] = {-1, -1, -1};

	x->tty = json_is_true(json_object_get(request, "tty"));
	x->interactive = json_is_true(json_object_get(request, "interactive"));
	x->rows = (unsigned short)json_integer_value(json_object_get(request, "rows"));
	x->cols = (unsigned short)json_integer_value(json_object_get(request, "cols"));
	if (exec_start(x->agent, request, &x->sock, &x->s.pid, ours, e) < 0)
		return -1;
	if (loop_add(x->s.loop, &x->watch, x->sock, EPOLLIN, news, x) < 0)
		return err_sys(e, "cannot watch the process");
	if (!x->tty)
		session_streams(&x->s, ours[0], ours[1], ours[2], false);
	return 0;
}

static int open_request(struct exec *x, const struct frame *f, struct err *e)
{
	auto_json json_t *request = NULL;
	struct err why;
	int r = proto_text_add(&x->request, f);

	if (r < 0)
		return err_set(e, FCVM_EX_FAIL, "the host sent a request that is too long");
	if (r == 0)
		return 0;
	request = json_parse(x->request.buf, x->request.len, "the request", &why);
	proto_text_clear(&x->request);
	if (!request || start(x, request, &why) < 0)
		fail(x, &why);
	return 0;
}

static void signal_exec(struct exec *x, int sig)
{
	if (sig < 1 || sig > 64 || x->s.exited)
		return;
	if (x->s.pid)
		kill(x->s.pid, sig);
	else
		x->kill_sig = sig;
}

static void close_exec(struct exec *x)
{
	x->closed = true;
	session_close(&x->s);
	if (x->s.pid && !x->s.exited)
		kill_session(x->s.pid);
}

int exec_frame(struct agent *a, const struct frame *f, struct err *e)
{
	struct exec *x = find(a, f->channel);

	if (f->type == PROTO_OPEN) {
		if (x && x->request.len == 0)
			return err_set(
			        e, FCVM_EX_FAIL, "the host opened channel %u twice", f->channel);
		if (!x && !(x = add(a, f->channel)))
			return err_set(e, FCVM_EX_FAIL, "the host opened more than %d sessions",
			        EXECS_MAX);
		return open_request(x, f, e);
	}
	if (!x) /* it has ended while this was under way */
		return 0;
	if (f->type == PROTO_SIGNAL) {
		signal_exec(x, f->data[0]);
	} else if (f->type == PROTO_CLOSE) {
		close_exec(x);
	} else if (!x->closed) {
		if (f->type == PROTO_WINSIZE) { /* the terminal may still be on its way */
			x->rows = proto_le16(f->data);
			x->cols = proto_le16(f->data + 2);
		}
		if (session_frame(&x->s, f) < 0)
			return err_set(e, FCVM_EX_FAIL, "the host broke the protocol");
	}
	return 0;
}

bool exec_reaped(struct agent *a, pid_t pid, int wstatus)
{
	for (struct exec *x = a->execs; x; x = x->next) {
		if (x->s.pid != pid || x->s.exited)
			continue;
		session_exited(&x->s, wstatus);
		return true;
	}
	return false;
}

/* The end is known, and all that is to be sent was. */
static bool is_over(const struct exec *x)
{
	if (x->failed)
		return x->s.exited || !x->s.pid;
	return x->s.exited && x->sock < 0 && (x->closed || session_drained(&x->s));
}

void exec_check_ends(struct agent *a)
{
	struct exec **at = &a->execs, *x;

	while ((x = *at)) {
		if (!is_over(x)) {
			at = &x->next;
			continue;
		}
		if (x->s.channel != NO_CHANNEL)
			session_report(&x->s, x->failed ? &x->failure : NULL, false);
		session_close(&x->s);
		loop_drop(x->s.loop, &x->watch, &x->sock);
		proto_text_clear(&x->request);
		*at = x->next;
		free(x);
	}
}

void exec_lose_all(struct agent *a)
{
	for (struct exec *x = a->execs; x; x = x->next) {
		x->s.channel = NO_CHANNEL;
		proto_text_clear(&x->request);
		x->failed |= !x->s.pid && x->sock < 0; /* not all of it has come */
		close_exec(x);
	}
}

void exec_resume(struct agent *a)
{
	for (struct exec *x = a->execs; x; x = x->next)
		session_resume(&x->s);
}
