/* SPDX-License-Identifier: MIT */
#include "proc.h"
#include "cleanup.h"
#include "status.h"
#include "xio.h"

#include <fcntl.h>
#include <linux/close_range.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

/* Moves fd out of the way of 0..2, so that the dup2(2)s below cannot overwrite each other. */
static int lift(int fd)
{
	if (fd < 0)
		fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	return fd <= 2 ? fcntl(fd, F_DUPFD_CLOEXEC, 3) : fd;
}

/* By the raw call, because signal(2) of glibc refuses its internal signals 32 and 33, which its own
 * posix_spawn(3) leaves ignored in a program that make or the like started. */
static void child_signals(void)
{
	static const unsigned long
	        default_action[8]; /* larger than the kernel's struct sigaction */
	sigset_t none;

	for (int i = 1; i < 65; i++)
		syscall(SYS_rt_sigaction, i, default_action, NULL, 8);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

static void child(char *const *argv, const struct proc_opts *o, int report, pid_t parent)
{
	int in = lift(o->in), out = lift(o->out), err = lift(o->err), e;

	child_signals();
	if (o->new_session)
		setsid();
	if (dup2(in, 0) < 0 || dup2(out, 1) < 0 || dup2(err, 2) < 0)
		goto fail;
	close_range(3, ~0U, CLOSE_RANGE_CLOEXEC);
	for (int i = 0; i < o->n_keep; i++)
		if (fcntl(o->keep[i], F_SETFD, 0) < 0)
			goto fail;
	if (o->prepare && o->prepare(o->ctx) < 0)
		goto fail;
	if (!o->ends_otherwise) {
		if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
			goto fail;
		if (getppid() != parent)
			_exit(FCVM_EX_FAIL);
	}
	if (o->env)
		execvpe(argv[0], argv, (char *const *)o->env);
	else
		execvp(argv[0], argv);
fail:
	e = errno;
	if (write(report, &e, sizeof e) < 0)
		_exit(FCVM_EX_FAIL);
	_exit(FCVM_EX_FAIL);
}

static int pidfd_of(pid_t pid)
{
	return (int)syscall(SYS_pidfd_open, pid, 0);
}

int proc_start(struct proc *p, char *const *argv, const struct proc_opts *o, struct err *e)
{
	int pipefd[2], failed = 0;
	pid_t parent = getpid();
	ssize_t n;

	if (pipe2(pipefd, O_CLOEXEC) < 0)
		return err_sys(e, "cannot make a pipe");
	p->pidfd = -1;
	p->pid = fork();
	if (p->pid < 0) {
		close(pipefd[0]);
		close(pipefd[1]);
		return err_sys(e, "cannot start %s", argv[0]);
	}
	if (p->pid == 0)
		child(argv, o, pipefd[1], parent);
	close(pipefd[1]);
	n = read_full(pipefd[0], &failed, sizeof failed);
	close(pipefd[0]);
	if (n == sizeof failed) {
		waitpid(p->pid, NULL, 0);
		errno = failed;
		err_sys(e, "cannot run %s", argv[0]);
		if (e)
			e->status = failed == ENOENT ? FCVM_EX_NOENT : FCVM_EX_NOEXEC;
		return -1;
	}
	p->pidfd = pidfd_of(p->pid);
	if (p->pidfd < 0) {
		err_sys(e, "cannot watch %s", argv[0]);
		kill(p->pid, SIGKILL);
		waitpid(p->pid, NULL, 0);
		return -1;
	}
	return 0;
}

int proc_wait(struct proc *p)
{
	int ws = 0;

	while (waitpid(p->pid, &ws, 0) < 0)
		if (errno != EINTR)
			return -errno;
	if (p->pidfd >= 0)
		close(p->pidfd);
	p->pidfd = -1;
	return ws;
}

void proc_kill(const struct proc *p, int sig)
{
	if (p->pidfd >= 0)
		syscall(SYS_pidfd_send_signal, p->pidfd, sig, NULL, 0);
}

int proc_status(int ws)
{
	return WIFSIGNALED(ws) ? FCVM_EX_SIGNAL + WTERMSIG(ws) : WEXITSTATUS(ws);
}

int proc_run(char *const *argv, const struct proc_opts *o, struct err *e)
{
	struct proc p;
	int ws;

	if (proc_start(&p, argv, o, e) < 0)
		return -1;
	ws = proc_wait(&p);
	if (ws < 0) {
		errno = -ws;
		return err_sys(e, "cannot wait for %s", argv[0]);
	}
	return proc_status(ws);
}

void proc_last_line(int fd, char *out, size_t size)
{
	char buf[4096];
	off_t end = lseek(fd, 0, SEEK_END);
	off_t from = end > (off_t)sizeof buf - 1 ? end - ((off_t)sizeof buf - 1) : 0;
	ssize_t n = pread(fd, buf, sizeof buf - 1, from);
	char *line;

	*out = 0;
	if (n <= 0)
		return;
	while (n > 0 && buf[n - 1] == '\n')
		n--;
	buf[n] = 0;
	line = strrchr(buf, '\n');
	snprintf(out, size, "%.*s", (int)size - 1, line ? line + 1 : buf);
}

int proc_output(char *const *argv, size_t max, char **out, struct err *e)
{
	auto_fd int log = memfd_create("stderr", MFD_CLOEXEC);
	auto_fd int data = memfd_create("stdout", MFD_CLOEXEC);
	struct proc_opts o = {.in = -1, .out = data, .err = log};
	char line[400];
	off_t size;
	int st;

	if (log < 0 || data < 0)
		return err_sys(e, "cannot make a memory file");
	st = proc_run(argv, &o, e);
	if (st < 0)
		return -1;
	if (st != 0) {
		proc_last_line(log, line, sizeof line);
		return err_set(e, FCVM_EX_SYS, "%s failed (status %d): %s", argv[0], st, line);
	}
	size = lseek(data, 0, SEEK_END);
	if (size < 0 || (size_t)size > max)
		return err_set(e, FCVM_EX_DATA, "%s printed more than %zu bytes", argv[0], max);
	*out = calloc(1, (size_t)size + 1);
	if (!*out)
		return err_sys(e, "cannot hold the output of %s", argv[0]);
	lseek(data, 0, SEEK_SET);
	if (read_full(data, *out, (size_t)size) != size)
		return err_sys(e, "cannot read the output of %s", argv[0]);
	return 0;
}
