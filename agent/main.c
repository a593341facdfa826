/* SPDX-License-Identifier: MIT
 * fcvm-agent: PID 1 of the microVM. Whatever goes wrong is reported to the host, or to the console
 * when the host cannot be reached, and ends the machine: never a hang, never a silent success. */
#include "agent.h"
#include "cleanup.h"
#include "clock.h"
#include "early.h"
#include "freeze.h"
#include "interface.h"
#include "standby.h"
#include "status.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/reboot.h>
#include <sys/signalfd.h>
#include <unistd.h>

#define GOODBYE_MS 5000 /* how long a report may wait for the host to take it */

static void signal_event(void *ctx, uint32_t events)
{
	(void)events;
	agent_reap(ctx);
}

static int watch_children(struct agent *a, struct err *e)
{
	sigset_t set;
	int fd;

	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
	fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (fd < 0 || loop_add(&a->loop, &a->signal_watch, fd, EPOLLIN, signal_event, a) < 0)
		return err_sys(e, "cannot watch child processes");
	return 0;
}

static int prepare(struct agent *a, struct err *e)
{
	if (early_mounts(e) < 0)
		return -1;
	early_strace();
	if (early_modules(e) < 0 || early_system(e) < 0 || interface_prepare(e) < 0)
		return -1;
	a->random = open("/dev/urandom", O_RDONLY | O_CLOEXEC);
	if (a->random < 0)
		return err_sys(e, "cannot open /dev/urandom");
	if (loop_init(&a->loop) < 0)
		return err_sys(e, "cannot make the event loop");
	if (watch_children(a, e) < 0)
		return -1;
	/* The port first: from here on a failure reaches the host as a message. */
	a->port = early_port("fcvm.agent", e);
	if (a->port < 0 || early_rootfs(&a->have_image, e) < 0)
		return -1;
	if (a->have_image && agent_stage(a, e) < 0)
		return -1;
	return early_processors(e) < 0 ? -1 : agent_connect(a, e);
}

/* Sends what is queued, then ends the machine. A restart is what both VMMs take as the end: QEMU
 * runs with -no-reboot, and Firecracker ends at a reset only. */
static void __attribute__((noreturn)) end(struct agent *a)
{
	int64_t until = clock_ms() + GOODBYE_MS, left;
	struct pollfd p = {.fd = a->port, .events = POLLOUT};

	while (a->port >= 0 && proto_flush(&a->out, a->port) == 0 && proto_pending(&a->out)) {
		left = until - clock_ms();
		if (left <= 0 || poll(&p, 1, (int)left) <= 0 || (p.revents & (POLLHUP | POLLERR)))
			break;
	}
	sync();
	for (;;)
		reboot(RB_AUTOBOOT);
}

/* Nothing else must get a turn, or the next message is as good as there: no sleep, and nothing of
 * the container's is done. */
static void spin(struct agent *a)
{
	if (proto_pending(&a->out) && proto_flush(&a->out, a->port) < 0)
		a->done = true;
	agent_receive(a);
	if (a->freeze.workers.n)
		sched_yield(); /* to those that carry the port's data */
}

int main(void)
{
	struct agent a = {.port = -1,
	        .random = -1,
	        .stage.sock = -1,
	        .tools = -1,
	        .pausing = {.events = -1, .watch.fd = -1}};
	struct err e = {.text = ""};

	err_set(&a.failure, FCVM_EX_FAIL, "the container's first process died");
	proto_in_init(&a.in, PROTO_HOST);
	session_init(&a.container, CONTAINER_CHANNEL, &a.loop, &a.out);
	if (prepare(&a, &e) < 0)
		agent_fatal(&a, &e);
	else if (early_option("fcvm.poweroff"))
		a.done = true;
	while (!a.done) {
		agent_settle_due(&a);
		if (agent_is_frozen(&a) || standby_waits(&a)) {
			spin(&a);
			continue;
		}
		if (proto_pending(&a.out))
			proto_flush(&a.out, a.port);
		loop_want(&a.loop, &a.port_watch, EPOLLIN | (proto_pending(&a.out) ? EPOLLOUT : 0));
		loop_once(&a.loop, (int)clock_earlier(agent_pause_left(&a), agent_settle_left(&a)));
		agent_pause_due(&a);
		agent_check_end(&a);
	}
	end(&a);
}
