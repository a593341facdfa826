/* SPDX-License-Identifier: MIT
 * Holds everything but the agent while the machine is saved, and in a clone until that has become
 * one of its own. Processes are not stopped, which their system calls would notice (epoll_wait(2)
 * and others fail with EINTR then, see signal(7)): on each CPU runs a process of the highest
 * real-time priority, sched(7), so that nothing else gets a turn. The one on the agent's is the
 * agent. The kernel's own threads do not get a turn either, so the agent must do nothing that waits
 * for one: load a module, end a mount. But what comes by vsock is brought by such threads, of its
 * work queue: where that is the way to the host, those that there are get the agent's priority. */
#include "freeze.h"
#include "clock.h"
#include "cleanup.h"
#include "clone.h"
#include "cpu.h"
#include "early.h"
#include "exec.h"
#include "interface.h"
#include "standby.h"
#include "status.h"
#include "xio.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/timex.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#define TIME_TRIES   10 /* to know the host's time as well as this: */
#define TIME_GOOD_NS 20000000
#define SETTLE_MS    500   /* a clone has then begun what it was started for */
#define HOLD_MS      20000 /* for all CPUs to be held, on a host that is busy */
#define RT_RUNTIME   "/proc/sys/kernel/sched_rt_runtime_us"
#define RT_NO_LIMIT  "-1"
#define RT_MAX       32 /* bytes of that text */

/* Shared with the processes that hold the CPUs. */
struct hold {
	int released;
	int held, started; /* processes that do, and that there are */
	pid_t pids[CPU_SETSIZE];
};

static int set_cpu(pid_t pid, int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET((size_t)cpu, &set);
	return sched_setaffinity(pid, sizeof set, &set);
}

static int set_priority(pid_t pid, int below)
{
	struct sched_param p = {.sched_priority = sched_get_priority_max(SCHED_FIFO) - below};

	return sched_setscheduler(pid, SCHED_FIFO, &p);
}

/* The agent and what works for it are where nobody else is. */
static int hold_own(const struct freeze *z, int cpu)
{
	const pid_t own[] = {0, z->standby.pid};

	for (size_t i = 0; i < sizeof own / sizeof *own; i++)
		if ((CPU_COUNT(&z->cpus) > 1 && set_cpu(own[i], cpu) < 0) ||
		        set_priority(own[i], 0) < 0)
			return -1;
	return 0;
}

/* It begins with the agent's priority on the agent's CPU, and stays one below: for when the agent,
 * or what works for it (in the kernel, or a volume's relay), has to do something. */
static void __attribute__((noreturn)) hold_cpu(struct hold *h, int cpu, bool own)
{
	close_range(3, ~0U, 0); /* it sleeps for a while when it has held */
	if ((!own && set_cpu(0, cpu) < 0) || set_priority(0, 1) < 0)
		_exit(FCVM_EX_FAIL);
	__atomic_add_fetch(&h->held, 1, __ATOMIC_SEQ_CST);
	while (!__atomic_load_n(&h->released, __ATOMIC_SEQ_CST))
		cpu_relax();
	for (;;)
		pause();
}

static void let_go(struct freeze *z)
{
	struct sched_param p = {0};

	if (!z->held)
		return;
	__atomic_store_n(&z->hold->released, 1, __ATOMIC_SEQ_CST);
	sched_setscheduler(0, SCHED_OTHER, &p);
	if (CPU_COUNT(&z->cpus) > 1) {
		sched_setaffinity(0, sizeof z->cpus, &z->cpus);
		if (z->standby.pid)
			sched_setaffinity(z->standby.pid, sizeof z->cpus, &z->cpus);
	}
	kworkers_lower(&z->workers);
	z->held = false;
}

/* What can wait after that: who held the processors sleeps until then. */
static void settle_hold(struct freeze *z)
{
	for (int i = 0; z->hold && i < z->hold->started; i++)
		kill(z->hold->pids[i], SIGKILL);
	if (z->hold)
		z->hold->started = 0;
	if (z->rt_runtime)
		write_existing(RT_RUNTIME, z->rt_runtime);
	free(z->rt_runtime);
	z->rt_runtime = NULL;
}

static void settle(struct agent *a)
{
	a->freeze.settle_ms = 0;
	settle_hold(&a->freeze);
	standby_dismiss(a);
}

static int hold_cpus(struct freeze *z, int own)
{
	int64_t until = clock_ms() + HOLD_MS;
	struct hold *h = z->hold;

	for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
		pid_t pid;

		if (!CPU_ISSET((size_t)cpu, &z->cpus))
			continue;
		pid = fork();
		if (pid == 0)
			hold_cpu(h, cpu, cpu == own);
		if (pid < 0)
			return -1;
		h->pids[h->started++] = pid;
	}
	while (__atomic_load_n(&h->held, __ATOMIC_SEQ_CST) < h->started) {
		if (clock_ms() > until) {
			errno = ETIMEDOUT;
			return -1;
		}
		usleep(200);
	}
	return 0;
}

static int hold_all(struct freeze *z, bool workers, struct err *e)
{
	int own = -1;
	size_t n;

	if (!z->hold) {
		void *p = mmap(NULL, sizeof *z->hold, PROT_READ | PROT_WRITE,
		        MAP_SHARED | MAP_ANONYMOUS, -1, 0);

		if (p == MAP_FAILED)
			return err_sys(e, "cannot hold the machine");
		z->hold = p;
	}
	z->hold->released = z->hold->held = 0;
	z->held = true;
	CPU_ZERO(&z->cpus);
	if (sched_getaffinity(0, sizeof z->cpus, &z->cpus) == 0)
		for (own = 0; own < CPU_SETSIZE - 1 && !CPU_ISSET((size_t)own, &z->cpus);)
			own++;
	if (read_file_at(AT_FDCWD, RT_RUNTIME, RT_MAX, &z->rt_runtime, &n) == 0)
		write_existing(RT_RUNTIME, RT_NO_LIMIT);
	if (own < 0 || hold_own(z, own) < 0 || (workers && kworkers_raise(&z->workers) < 0) ||
	        hold_cpus(z, own) < 0) {
		err_sys(e, "cannot hold the machine's processors");
		let_go(z);
		settle_hold(z);
		return -1;
	}
	return 0;
}

static const char *hindrance(const struct agent *a)
{
	if (!a->container.pid || a->container.exited || a->stage.sock >= 0)
		return "the container is not running";
	if (a->pausing.events >= 0)
		return "the container is on its way to be paused: try again";
	return NULL;
}

/* ioctl(2) of the file system that has all of the container's files but those on a tmpfs: from
 * FIFREEZE on the disk holds all that was written, and whoever writes waits. */
static int scratch(unsigned long what)
{
	auto_fd int fd = open(EARLY_SCRATCH, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return fd < 0 ? -1 : ioctl(fd, what, 0);
}

static const char *freeze_disk(struct freeze *z, struct err *e)
{
	if (scratch(FIFREEZE) < 0) {
		err_sys(e, "cannot bring the disk to rest");
		return e->text;
	}
	z->disk = true;
	return NULL;
}

static const char *come_to_rest(struct agent *a, struct err *e)
{
	const char *why = NULL;

	if (standby_start(a, e) < 0 || volumes_rest(&a->volumes, e) < 0)
		return e->text;
	agent_reap(a); /* who has ended is not left to each clone */
	why = hindrance(a);
	if (!why &&
	        (hold_all(&a->freeze, agent_port_is_dialled(a), e) < 0 || standby_check(a, e) < 0))
		why = e->text;
	return why;
}

void agent_freeze(struct agent *a, bool disk)
{
	const char *why = hindrance(a);
	struct err e;

	if (a->freeze.held || a->freeze.disk) /* the host broke the rules; it gets one answer */
		return;
	settle(a);
	if (!why && disk) {
		why = freeze_disk(&a->freeze, &e);
	} else if (!why) {
		tcdrain(STDERR_FILENO); /* the console */
		/* What is missing for it would be loaded by a process that gets no turn later. */
		a->freeze.can_end_tcp = interface_exists() && tcp_can_end();
		why = come_to_rest(a, &e);
		if (why)
			agent_unfreeze(a);
	}
	agent_send(a, json_pack("{s:s, s:s*}", "type", "FROZEN", "error", why));
}

bool agent_is_frozen(const struct agent *a)
{
	return a->freeze.held;
}

static void go_on(struct agent *a)
{
	let_go(&a->freeze);
	volumes_go_on(&a->volumes, false);
	volumes_calm(&a->volumes);
}

void agent_unfreeze(struct agent *a)
{
	if (a->freeze.disk)
		scratch(FITHAW);
	a->freeze.disk = false;
	go_on(a);
	settle(a);
}

static void ask_time(struct agent *a)
{
	a->waking.tries++;
	agent_send(a, json_pack("{s:s}", "type", "TIME"));
	a->waking.asked_ns = clock_real_ns();
}

static int wake(struct agent *a, const json_t *message, struct err *e)
{
	int r;

	/* First: what is asked below may be on a volume. */
	volumes_go_on(&a->volumes, true);
	r = clone_become(a, message, e);
	if (r == 0) {
		exec_lose_all(a);
		agent_send(a, json_pack("{s:s, s:b}", "type", "RESUMED", "paused", (int)a->paused));
		session_rejoin(&a->container);
	}
	go_on(a);
	a->freeze.settle_ms = clock_ms() + SETTLE_MS;
	return r < 0 ? -1 : interface_apply(a->plan, &a->mtu, e);
}

int agent_settle_left(const struct agent *a)
{
	int64_t left = a->freeze.settle_ms - clock_ms();

	return a->freeze.settle_ms == 0 ? -1 : left < 0 ? 0 : (int)left;
}

void agent_settle_due(struct agent *a)
{
	if (a->freeze.settle_ms == 0 || clock_ms() < a->freeze.settle_ms)
		return;
	settle(a);
}

/* RESUME has been under way for as long as an emulated machine took to wake up. */
int agent_wake_as_clone(struct agent *a, const json_t *message, struct err *e)
{
	if (!agent_is_frozen(a) || a->waking.message)
		return err_set(e, FCVM_EX_FAIL, "this machine was not made to be cloned");
	a->waking = (struct waking){.message = json_incref((json_t *)message),
	        .least_ns = INT64_MIN,
	        .most_ns = INT64_MAX};
	ask_time(a);
	return 0;
}

/* By a difference, so that it is no matter when: a processor may be away for a while at any point.
 */
static void step_clock(int64_t ns)
{
	int64_t seconds = ns / 1000000000 - (ns % 1000000000 < 0);
	struct timex t = {.modes = ADJ_SETOFFSET | ADJ_NANO,
	        .time = {.tv_sec = seconds, .tv_usec = ns - seconds * 1000000000}};

	clock_adjtime(CLOCK_REALTIME, &t);
}

/* The answer was right at some moment between question and now. That each was late in another way
 * narrows it down where processors are scarce. */
int agent_time(struct agent *a, const json_t *message, struct err *e)
{
	json_int_t time = json_integer_value(json_object_get(message, "time"));
	struct waking *w = &a->waking;
	int64_t now = clock_real_ns();
	json_t *resume = w->message;
	int r;

	if (!resume)
		return err_set(e, FCVM_EX_FAIL, "the host told the time unasked");
	if (time - now > w->least_ns)
		w->least_ns = time - now;
	if (time - w->asked_ns < w->most_ns)
		w->most_ns = time - w->asked_ns;
	if (w->most_ns - w->least_ns > TIME_GOOD_NS && w->tries < TIME_TRIES) {
		ask_time(a);
		return 0;
	}
	w->message = NULL;
	step_clock(w->least_ns + (w->most_ns - w->least_ns) / 2);
	r = wake(a, resume, e);
	json_decref(resume);
	return r;
}
