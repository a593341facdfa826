/* SPDX-License-Identifier: MIT */
#include "streams.h"
#include "cleanup.h"
#include "clock.h"
#include "proc.h"
#include "signals.h"
#include "status.h"
#include "streams_own.h"

#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

#define STDIN_HOLD     ((size_t)1 << 20) /* unsent bytes above which stdin is not read */
#define GRACE_MS       5000
#define STATUS_TIMEOUT 124 /* as timeout(1) */
#define CREDIT_MIN     65  /* see streams_stdin() */

static void pass_on(struct carrier *s, int sig)
{
	bool over = s->child_over || s->reported || s->closed;

	if (signals_ends(sig) && sig != SIGQUIT)
		s->asked_to_end = sig;
	if (s->o->child && !s->child_over)
		kill(s->o->child, sig);
	else if (!s->o->child && s->running && !over)
		streams_signal(s, sig);
	else if (signals_ends(sig))
		s->caught = sig;
	/* The container is over, and its output waits for a reader: the signal is for that wait. */
	if (s->o->child && s->reported && signals_ends(sig))
		s->caught = sig;
}

static void on_signal(struct carrier *s)
{
	struct signalfd_siginfo si;

	while (read(s->signals, &si, sizeof si) == sizeof si) {
		int sig = (int)si.ssi_signo;

		if (sig == SIGCONT) {
			/* Whoever had the terminal while we were stopped has set it to their
			 * liking. */
			s->want_raw = s->tty && s->interactive;
		}
		if (sig == SIGWINCH || sig == SIGCONT) {
			if (s->tty && !s->reported)
				streams_resize(s);
		} else if (sig != SIGPIPE) {
			pass_on(s, sig);
		}
	}
}

/* The terminal's turn to be made raw, or ours to be stopped until we are in its foreground. */
static void claim_terminal(struct carrier *s)
{
	s->want_raw = false;
	if (s->reported || s->closed || s->caught || s->asked_to_end)
		return; /* the end needs no terminal */
	if (tty_is_ours(STDIN_FILENO))
		tty_raw(&s->terminal, STDIN_FILENO);
	else
		tty_stop(SIGTTOU); /* continued, we are here again after SIGCONT was seen */
}

static bool outputs_done(const struct carrier *s)
{
	return (!s->sink[0] || sink_idle(s->sink[0])) && (!s->sink[1] || sink_idle(s->sink[1]));
}

static void child_ended(struct carrier *s)
{
	int ws;

	if (waitpid(s->o->child, &ws, WNOHANG) != s->o->child)
		return;
	s->child_over = true;
	s->child_ws = ws;
}

static int time_left(struct carrier *s)
{
	int64_t left = s->limit_ms < 0 ? -1 : s->limit_ms - clock_ms();

	s->timed_out = s->limit_ms >= 0 && left <= 0;
	return left < 0 ? (s->timed_out ? 0 : -1) : left > INT_MAX ? INT_MAX : (int)left;
}

enum { P_CONN, P_SIGNAL, P_WAKE, P_STDIN, P_CHILD, P_COUNT };

static void step(struct carrier *s)
{
	/* Of a terminal also what cannot be passed on is read: the detach keys may be in it. */
	bool input = s->running && s->stdin_open && !s->closed &&
	             (s->stdin_credit >= CREDIT_MIN || s->terminal.fd >= 0) &&
	             s->out.end - s->out.start < STDIN_HOLD;
	struct pollfd p[P_COUNT] = {
	        [P_CONN] = {s->closed ? -1 : s->c->fd,
	                (short)(POLLIN | (proto_pending(&s->out) && !s->mute ? POLLOUT : 0)), 0},
	        [P_SIGNAL] = {s->signals, POLLIN, 0},
	        [P_WAKE] = {s->wake, POLLIN, 0},
	        [P_STDIN] = {input ? STDIN_FILENO : -1, POLLIN, 0},
	        [P_CHILD] = {s->child_over ? -1 : s->pidfd, POLLIN, 0},
	};
	uint64_t count;

	if (poll(p, P_COUNT, time_left(s)) < 0)
		return;
	if (p[P_SIGNAL].revents)
		on_signal(s);
	if (p[P_CONN].revents & (POLLIN | POLLHUP | POLLERR))
		streams_receive(s);
	if (p[P_WAKE].revents && read(s->wake, &count, sizeof count) == sizeof count)
		streams_outputs(s);
	if (p[P_STDIN].revents)
		streams_stdin(s);
	if (p[P_CHILD].revents)
		child_ended(s);
	if (!s->mute && !s->closed && proto_flush(&s->out, s->c->fd) < 0)
		s->mute = true; /* what it said before is still to be read */
}

/* Nothing more can come, or nobody waits for it. */
static bool is_over(const struct carrier *s)
{
	if (s->end->detached || s->caught || s->timed_out)
		return true;
	return (s->reported || s->closed) && outputs_done(s);
}

static int lost_output(const struct carrier *s, struct err *e)
{
	for (int i = 0; i < 2; i++) {
		int error = s->sink[i] ? sink_error(s->sink[i]) : 0;

		if (!error)
			continue;
		errno = error;
		err_sys(e, "cannot write the container's %s", i ? "stderr" : "stdout");
		e->status = FCVM_EX_FAIL;
		return -1;
	}
	return 0;
}

/* With a child, its status is the truth; it is about to end, for the connection has. */
static int verdict(struct carrier *s, struct err *e)
{
	bool failed = s->end->error[0];
	int ws;

	if (s->end->detached)
		return 0;
	if (s->o->child) {
		while (!s->child_over && waitpid(s->o->child, &ws, 0) == s->o->child) {
			s->child_over = true;
			s->child_ws = ws;
		}
		s->end->status = proc_status(s->child_ws);
		s->end->error[0] = 0; /* the child has said it */
	}
	/* It was there to be left, and has ended since: left all the same. Its process dies with
	 * this one until it has let go, so it was waited for: what it knows of the end is kept. */
	if (s->left && (s->reported || s->closed)) {
		s->end->detached = true;
		return 0;
	}
	if (s->caught)
		s->end->status = FCVM_EX_SIGNAL + s->caught;
	else if (s->timed_out && s->o->child) /* the VM may have said why itself */
		s->end->status =
		        failed ? proc_status(s->child_ws) : FCVM_EX_SIGNAL + s->asked_to_end;
	else if (s->timed_out)
		s->end->status = STATUS_TIMEOUT;
	else if (s->trouble.status) {
		*e = s->trouble;
		return -1;
	} else if (!s->reported && !s->o->child) {
		return err_set(e, FCVM_EX_FAIL, "the VM has ended");
	} else if (s->o->child && WIFSIGNALED(s->child_ws) && !s->reported) {
		return err_set(e, FCVM_EX_FAIL, "the machine's process was ended by signal %d (%s)",
		        WTERMSIG(s->child_ws), sigdescr_np(WTERMSIG(s->child_ws)));
	}
	return s->caught || s->timed_out ? 0 : lost_output(s, e);
}

static int prepare(struct carrier *s, struct err *e)
{
	s->signals = signals_watch();
	s->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (s->signals < 0 || s->wake < 0)
		return err_sys(e, "cannot watch signals");
	if (s->o->child && (s->pidfd = (int)syscall(SYS_pidfd_open, s->o->child, 0)) < 0)
		return err_sys(e, "cannot watch the VM's process");
	fcntl(s->c->fd, F_SETFL, O_NONBLOCK);
	return 0;
}

static void finish_outputs(struct carrier *s)
{
	for (int i = 0; i < 2; i++)
		if (s->sink[i])
			sink_finish(s->sink[i]);
}

int streams_run(
        struct control *c, const struct streams_opts *o, struct streams_end *end, struct err *e)
{
	struct carrier s = {.c = c,
	        .o = o,
	        .end = end,
	        .terminal.fd = -1,
	        .wake = -1,
	        .signals = -1,
	        .pidfd = -1};
	int r;

	*end = (struct streams_end){0};
	s.limit_ms = o->timeout_ms < 0 ? -1 : clock_ms() + o->timeout_ms;
	signal(SIGPIPE, SIG_IGN);
	r = prepare(&s, e);
	while (r == 0 && !is_over(&s)) {
		if (s.want_raw)
			claim_terminal(&s);
		step(&s);
		if (s.closed)
			finish_outputs(&s);
		/* Who asked for the end does not wait for ever for a reader that does not read. */
		if ((s.reported || s.closed) && s.asked_to_end && o->child && s.limit_ms < 0)
			s.limit_ms = clock_ms() + GRACE_MS;
	}
	tty_restore(&s.terminal);
	control_close(c); /* tells the child that nothing more is waited for */
	if (r == 0)
		r = verdict(&s, e);
	for (int i = 0; i < 2; i++)
		sink_free(s.sink[i]);
	proto_out_free(&s.out);
	proto_text_clear(&s.exit_text);
	if (s.wake >= 0)
		close(s.wake);
	if (s.signals >= 0)
		close(s.signals);
	if (s.pidfd >= 0)
		close(s.pidfd);
	return r;
}
