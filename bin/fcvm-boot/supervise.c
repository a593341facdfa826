/* SPDX-License-Identifier: MIT */
#include "supervise.h"
#include "status.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define BOOT_MS    120000            /* an emulated guest on a busy host takes its time */
#define GRACE_MS   5000              /* for the guest to act on a kill, or to end by itself */
#define STDIN_HOLD ((size_t)1 << 20) /* unsent bytes above which stdin is not read */

int64_t supervise_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static int watch_signals(void)
{
	struct sigaction old;
	sigset_t set;

	sigfillset(&set);
	/* nohup(1) means that the end of the terminal is not ours. SIGINT is taken also where a
	 * script's shell has it ignored (any background command): who sends it to us by name means
	 * it. */
	if (sigaction(SIGHUP, NULL, &old) == 0 && old.sa_handler == SIG_IGN)
		sigdelset(&set, SIGHUP);
	/* These say that this process itself is broken, or stop it. */
	for (size_t i = 0; i < 7; i++)
		sigdelset(&set,
		        (int[]){SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT, SIGTSTP, SIGCHLD}[i]);
	sigprocmask(SIG_BLOCK, &set, NULL);
	sigdelset(&set, SIGTTIN); /* see tty.h */
	sigdelset(&set, SIGTTOU);
	return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

static void end_machine(struct machine *m)
{
	if (!m->vmm_ended)
		m->vmm->ops->kill(m->vmm);
	m->phase = PHASE_END;
	m->deadline_ms = -1;
}

/* SIGINT, SIGTERM and SIGHUP: the container hears them first; if it does not end within its stop
 * time-out it is killed, and if even that brings no report the machine is. */
static void begin_stop(struct machine *m, int sig)
{
	dialogue_signal(m, sig);
	if ((sig == SIGINT || sig == SIGTERM || sig == SIGHUP) && !m->stopping) {
		m->stopping = 1;
		m->stop_sig = sig;
		m->deadline_ms = supervise_now() + m->stop_timeout_ms;
	}
}

static void on_signal(struct machine *m)
{
	struct signalfd_siginfo si;

	while (read(m->signals, &si, sizeof si) == sizeof si) {
		int sig = (int)si.ssi_signo;

		if (sig == SIGWINCH) {
			if (m->terminal && m->phase == PHASE_RUN)
				dialogue_resize(m);
		} else if (sig == SIGCONT) {
			/* Whoever had the terminal while we were stopped has set it to their
			 * liking. */
			m->want_raw = m->terminal && m->interactive;
			if (m->terminal && m->phase == PHASE_RUN)
				dialogue_resize(m);
		} else if (sig == SIGPIPE) {
			continue;
		} else if (m->phase == PHASE_RUN && m->o->plan && !m->vmm_ended) {
			begin_stop(m, sig);
		} else if (sig == SIGINT || sig == SIGTERM || sig == SIGHUP || sig == SIGQUIT) {
			m->caught = sig;
			end_machine(m);
		}
	}
}

static void on_deadline(struct machine *m)
{
	if (m->vmm_ended) {
		m->cut_short = true;
		m->caught = m->reported ? m->stop_sig : 0;
		m->deadline_ms = -1;
	} else if (m->phase == PHASE_BOOT || !m->o->plan) {
		m->timed_out = true;
		end_machine(m);
	} else if (m->stopping == 1) {
		m->stopping = 2;
		dialogue_signal(m, SIGKILL);
		m->deadline_ms = supervise_now() + GRACE_MS;
	} else {
		if (m->stopping)
			m->stopping = 3;
		end_machine(m);
	}
}

static void on_vmm_end(struct machine *m)
{
	/* What the guest said before the end is still in the sockets. */
	while (m->vmm->agent >= 0 && !m->agent_closed && !m->violation) {
		struct pollfd p = {.fd = m->vmm->agent, .events = POLLIN};

		if (poll(&p, 1, 0) <= 0)
			break;
		dialogue_receive(m);
	}
	console_drain(&m->console, m->vmm->console);
	m->vmm_status = proc_wait(&m->vmm->proc);
	m->vmm_ended = true;
}

enum { P_AGENT, P_CONSOLE, P_VMM, P_SIGNAL, P_WAKE, P_STDIN, P_COUNT };

static int wait_for(struct machine *m, struct pollfd p[P_COUNT])
{
	bool input = m->phase == PHASE_RUN && !m->vmm_ended && m->stdin_open &&
	             m->stdin_credit > 0 && m->out.end - m->out.start < STDIN_HOLD;
	int64_t left = m->deadline_ms < 0 ? -1 : m->deadline_ms - supervise_now();

	p[P_AGENT] = (struct pollfd){m->agent_closed ? -1 : m->vmm->agent,
	        (short)(POLLIN | (proto_pending(&m->out) && !m->agent_mute ? POLLOUT : 0)), 0};
	if (m->vmm->agent < 0)
		p[P_AGENT] = (struct pollfd){m->vmm->listen, POLLIN, 0};
	p[P_CONSOLE] = (struct pollfd){m->vmm->console, POLLIN, 0};
	p[P_VMM] = (struct pollfd){m->vmm_ended ? -1 : m->vmm->proc.pidfd, POLLIN, 0};
	p[P_SIGNAL] = (struct pollfd){m->signals, POLLIN, 0};
	p[P_WAKE] = (struct pollfd){m->wake, POLLIN, 0};
	p[P_STDIN] = (struct pollfd){input ? STDIN_FILENO : -1, POLLIN, 0};
	if (m->deadline_ms >= 0 && left < 0)
		left = 0;
	return poll(p, P_COUNT, left > 0x7fffffff ? 0x7fffffff : (int)left);
}

/* The guest has dialled out. */
static void take_agent(struct vmm *v)
{
	struct sockaddr_storage from;
	socklen_t n = sizeof from;

	v->agent = accept4(v->listen, (struct sockaddr *)&from, &n, SOCK_NONBLOCK | SOCK_CLOEXEC);
}

/* The terminal's turn to be made raw, or ours to be stopped until we are in its foreground. */
static void claim_terminal(struct machine *m)
{
	m->want_raw = false;
	if (m->stopping || m->phase == PHASE_END)
		return; /* the end needs no terminal */
	if (tty_is_ours(STDIN_FILENO))
		tty_raw(&m->tty, STDIN_FILENO);
	else
		tty_stop(SIGTTOU); /* continued, we are here again after SIGCONT was seen */
}

static void step(struct machine *m)
{
	struct pollfd p[P_COUNT];
	uint64_t count;

	if (m->want_raw)
		claim_terminal(m);
	if (wait_for(m, p) < 0)
		return;
	if (p[P_CONSOLE].revents && !console_drain(&m->console, m->vmm->console)) {
		close(m->vmm->console);
		m->vmm->console = -1;
	}
	if (p[P_SIGNAL].revents)
		on_signal(m);
	if (p[P_AGENT].revents & (POLLIN | POLLHUP | POLLERR)) {
		if (m->vmm->agent >= 0)
			dialogue_receive(m);
		else
			take_agent(m->vmm);
	}
	if (p[P_WAKE].revents && read(m->wake, &count, sizeof count) == sizeof count)
		dialogue_outputs(m);
	if (p[P_STDIN].revents)
		dialogue_stdin(m);
	if (p[P_VMM].revents)
		on_vmm_end(m);
	if (!m->agent_mute && m->vmm->agent >= 0 && proto_flush(&m->out, m->vmm->agent) < 0)
		m->agent_mute = true; /* what it said before is still to be read */
	if (m->deadline_ms >= 0 && supervise_now() >= m->deadline_ms)
		on_deadline(m);
	if (m->violation && m->phase != PHASE_END)
		end_machine(m);
	if (m->fatal && m->deadline_ms < 0 && m->phase != PHASE_END)
		m->deadline_ms = supervise_now() + GRACE_MS;
	/* The report is in, and nothing of this machine outlives it: do not wait for its shutdown.
	 */
	if (m->reported && !m->vmm_ended)
		end_machine(m);
}

static bool outputs_done(const struct machine *m)
{
	return (!m->sink[0] || sink_idle(m->sink[0])) && (!m->sink[1] || sink_idle(m->sink[1])) &&
	       (!m->trace || sink_idle(m->trace));
}

static int prepare(struct machine *m, struct err *e)
{
	const json_t *own = json_object_get(m->o->plan, "fcvm");
	json_int_t timeout = json_integer_value(json_object_get(own, "stopTimeout"));
	int r = console_open(&m->console, m->o->console_path);

	if (r < 0) {
		errno = -r;
		return err_sys(e, "cannot write the console log");
	}
	m->signals = watch_signals();
	m->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (m->signals < 0 || m->wake < 0)
		return err_sys(e, "cannot watch signals");
	proto_in_init(&m->in);
	m->stop_timeout_ms = timeout > 1000000 ? 1000000000 : (int)timeout * 1000;
	if (!m->o->plan)
		return 0;
	if (json_is_true(json_object_get(own, "straceAgent")))
		m->console.copy = m->trace = sink_new(STDERR_FILENO, m->wake);
	m->terminal =
	        json_is_true(json_object_get(json_object_get(m->o->plan, "process"), "terminal"));
	m->interactive = json_is_true(json_object_get(own, "interactive"));
	m->stdin_open = m->interactive;
	m->sink[0] = sink_new(STDOUT_FILENO, m->wake);
	if (!m->terminal)
		m->sink[1] = sink_new(STDERR_FILENO, m->wake);
	if (!m->sink[0] || (!m->terminal && !m->sink[1]))
		return err_sys(e, "cannot start a thread");
	m->want_raw = m->terminal && m->interactive;
	return 0;
}

int supervise(struct vmm *v, const struct supervise_opts *o, struct err *e)
{
	struct machine m = {.vmm = v,
	        .o = o,
	        .console.file = -1,
	        .tty.fd = -1,
	        .wake = -1,
	        .signals = -1,
	        .deadline_ms = supervise_now() + BOOT_MS};
	int status;

	if (prepare(&m, e) < 0) {
		end_machine(&m);
		on_vmm_end(&m);
		e->status = FCVM_EX_FAIL;
	} else {
		while (!m.vmm_ended)
			step(&m);
		for (int i = 0; i < 2; i++)
			if (m.sink[i])
				sink_finish(m.sink[i]);
		if (m.trace)
			sink_finish(m.trace);
		/* A signal ends the wait for a reader that does not read; the one that stopped the
		 * container bounds it. */
		m.deadline_ms = m.stopping ? supervise_now() + GRACE_MS : -1;
		while (!outputs_done(&m) && !m.caught && !m.cut_short)
			step(&m);
		m.cut_short = !outputs_done(&m);
		verdict(&m, e);
	}
	status = e->status;
	tty_restore(&m.tty);
	sink_free(m.sink[0]);
	sink_free(m.sink[1]);
	sink_free(m.trace);
	console_close(&m.console);
	proto_in_free(&m.in);
	proto_out_free(&m.out);
	proto_text_clear(&m.control);
	proto_text_clear(&m.exit_text);
	return status;
}
