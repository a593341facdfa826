/* SPDX-License-Identifier: MIT */
#include "helper.h"
#include "cleanup.h"
#include "fds.h"
#include "status.h"
#include "strv.h"
#include "xio.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>

static void close_others(const struct helper *h, int report)
{
	int *keep = xcalloc(h->n_keep + 1, sizeof *keep);

	for (size_t i = 0; i < h->n_keep; i++)
		keep[i] = h->keep[i];
	keep[h->n_keep] = report;
	fds_close_others(keep, h->n_keep + 1);
	free(keep);
}

static int std_to_null(void)
{
	auto_fd int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	for (int fd = 0; fd < 3; fd++)
		if (null < 0 || dup2(null, fd) < 0)
			return -1;
	return 0;
}

static void __attribute__((noreturn)) child(const struct helper *h, int report, pid_t parent)
{
	prctl(PR_SET_NAME, h->name);
	setsid();
	signal(SIGPIPE, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	if (std_to_null() < 0 || chdir("/") < 0)
		_exit(1);
	close_others(h, report);
	if (h->title && h->title_size) {
		/* PROGRAM's words may hold secrets, and would be shown twice. */
		memset(h->title, 0, h->title_size);
		snprintf(h->title, h->title_size, "%s: %s", h->program, h->name);
	}
	/* The parent's number is not known in another pid namespace; there the helper waits for a
	 * word from the parent, whose end of the line goes with it. */
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
		_exit(1);
	if (!(h->clone_flags & CLONE_NEWPID) && getppid() != parent)
		_exit(1);
	h->fn(h->ctx, report);
	_exit(0);
}

int helper_start(const struct helper *h, int *report, struct err *e)
{
	pid_t parent = getpid();
	int line[2], pidfd = -1;
	unsigned long flags = h->clone_flags | (h->pidfd ? CLONE_PIDFD : 0);
	long pid;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, line) < 0)
		return err_sys(e, "cannot make a socket pair");
	pid = syscall(SYS_clone, flags, 0, &pidfd, 0, 0);
	if (pid == 0)
		child(h, line[1], parent);
	if (pid < 0)
		err_sys(e, "cannot start the %s", h->name);
	close(line[1]);
	if (pid < 0) {
		close(line[0]);
		return -1;
	}
	if (h->pid)
		*h->pid = (pid_t)pid;
	if (h->pidfd)
		*h->pidfd = pidfd;
	*report = line[0];
	return 0;
}

bool helper_tell(int report, const struct err *e)
{
	struct err ok = {0};

	return send(report, e ? e : &ok, sizeof ok, MSG_NOSIGNAL) == sizeof ok;
}

int helper_wait(int report, const char *name, struct err *e)
{
	struct err got;
	ssize_t n;

	do
		n = recv(report, &got, sizeof got, 0);
	while (n < 0 && errno == EINTR);
	if (n != sizeof got)
		return err_set(e, FCVM_EX_FAIL, "the %s ended", name);
	if (got.status == 0)
		return 0;
	*e = got;
	return -1;
}

int helper_leave(int report, struct err *e)
{
	struct err got;

	shutdown(report, SHUT_RD);
	if (recv(report, &got, sizeof got, MSG_DONTWAIT) != sizeof got || got.status == 0)
		return 0;
	*e = got;
	return -1;
}

int helper_drop_privileges(void)
{
	struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct none[2] = {0};

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || syscall(SYS_capset, &head, none) < 0)
		return -errno;
	/* Some changes of credentials clear it, so again. */
	return prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 ? -errno : 0;
}
