/* SPDX-License-Identifier: MIT */
#include "cleanup.h"
#include "lock.h"
#include "rundir.h"
#include "rundir_own.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#define WATCH_FD 3
#define BASE_FD  4

/* Nothing of the caller's stays open: a pipe held here would keep its reader waiting. */
static void keep_only(int watch_fd, int base_fd)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	int watch = fcntl(watch_fd, F_DUPFD_CLOEXEC, 10);
	int base = fcntl(base_fd, F_DUPFD_CLOEXEC, 10);

	if (null < 0 || watch < 0 || base < 0)
		_exit(1);
	for (int fd = 0; fd < 3; fd++)
		dup2(null, fd);
	dup2(watch, WATCH_FD);
	dup2(base, BASE_FD);
	close_range(BASE_FD + 1, ~0U, 0);
}

static void ignore_signals(void)
{
	static const int sigs[] = {
	        SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGPIPE, SIGUSR1, SIGUSR2, SIGTSTP};

	for (size_t i = 0; i < sizeof sigs / sizeof *sigs; i++)
		signal(sigs[i], SIG_IGN);
}

static void __attribute__((noreturn)) watch(void)
{
	/* Granted once no process of the VM is left. Shared, so that nobody takes us for the VM. */
	while (flock(WATCH_FD, LOCK_SH) < 0)
		if (errno != EINTR)
			_exit(1);
	if (lock_file_at(BASE_FD, ".lock", true, true) < 0)
		_exit(1);
	_exit(rundir_remove_own(BASE_FD, WATCH_FD) ? 0 : 1);
}

static void __attribute__((noreturn))
be_janitor(const struct rundir *rd, char *title, size_t title_size)
{
	pid_t pid;

	/* Before the janitor proper exists, and our parent waits for us: once rundir_janitor() is
	 * back, no copy of the lock can outlive a VM that ends at once. */
	close(rd->lock_fd);
	setsid();
	/* Twice, so that the program that takes our place has no child it does not know of, and the
	 * janitor no terminal. */
	pid = fork();
	if (pid != 0)
		_exit(pid < 0 ? 1 : 0);
	prctl(PR_SET_NAME, "fcvm-rundir");
	ignore_signals();
	keep_only(rd->watch_fd, rd->base_fd);
	if (chdir("/") < 0)
		_exit(1);
	if (title && title_size) {
		/* The command line may hold secrets, and would be shown as long as the VM lives. */
		memset(title, 0, title_size);
		snprintf(title, title_size, "fcvm-rundir: janitor of %s", rd->name);
	}
	watch();
}

int rundir_janitor(const struct rundir *rd, char *title, size_t title_size, struct err *e)
{
	pid_t pid = fork();
	int status;

	if (pid == 0)
		be_janitor(rd, title, title_size);
	if (pid < 0)
		return err_sys(e, "cannot start the janitor of %s", rd->dir);
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return err_sys(e, "cannot wait for the janitor of %s", rd->dir);
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
		return err_sys(e, "cannot start the janitor of %s", rd->dir);
	return 0;
}
