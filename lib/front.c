/* SPDX-License-Identifier: MIT */
#include "front.h"
#include "cleanup.h"
#include "num.h"
#include "status.h"
#include "xio.h"

#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/socket.h>

static int be_machine(int theirs, pid_t parent)
{
	int fd = fcntl(theirs, F_DUPFD, INHERITED_FD_MIN), null = open("/dev/null", O_RDONLY);
	char number[16];

	snprintf(number, sizeof number, "%d", fd);
	if (fd < 0 || null < 0 || dup2(null, STDIN_FILENO) < 0 || setenv(FRONT_ENV, number, 1) < 0)
		return -1;
	close(theirs);
	if (null > STDIN_FILENO)
		close(null);
	setsid();
	/* Survives exec. A parent that ended before it was asked for is noticed by its number. */
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
		return -1;
	return getppid() == parent ? 0 : -1;
}

pid_t front_split(int *fd, struct err *e)
{
	pid_t parent = getpid(), pid;
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return err_sys(e, "cannot make a socket pair");
	pid = fork();
	if (pid < 0) {
		close(pair[0]);
		close(pair[1]);
		return err_sys(e, "cannot start the machine's process");
	}
	close(pair[pid ? 1 : 0]);
	if (pid == 0) {
		if (be_machine(pair[1], parent) < 0)
			_exit(FCVM_EX_FAIL);
		return 0;
	}
	*fd = pair[0];
	return pid;
}

int front_inherited(void)
{
	const char *text = getenv(FRONT_ENV);
	uint64_t fd;

	if (!text || num_u64(text, 3, INT_MAX, &fd) < 0 || fcntl((int)fd, F_GETFD) < 0)
		return -1;
	unsetenv(FRONT_ENV);
	fcntl((int)fd, F_SETFD, FD_CLOEXEC);
	return (int)fd;
}
