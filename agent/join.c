/* SPDX-License-Identifier: MIT */
#include "join.h"
#include "fds.h"
#include "stage.h"
#include "status.h"

#include <errno.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

pid_t join_fork_first(int cgroup)
{
	struct clone_args args = {.flags = cgroup >= 0 ? CLONE_INTO_CGROUP : 0,
	        .exit_signal = SIGCHLD,
	        .cgroup = (uint64_t)(cgroup >= 0 ? cgroup : 0)};

	return (pid_t)syscall(SYS_clone3, &args, sizeof args);
}

pid_t join_fork_second(int pidfd, int sock, bool inside)
{
	const int ns = CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWCGROUP |
	               (inside ? CLONE_NEWPID : 0);
	struct clone_args args = {.flags = CLONE_PARENT};
	char told[JOIN_PID_SIZE] = "P";
	struct err e;
	pid_t pid;

	if (pidfd >= 0 && setns(pidfd, ns) < 0) {
		if (errno == ESRCH)
			err_set(&e, FCVM_EX_FAIL, "the container has ended");
		else
			err_sys(&e, "cannot enter the container");
		stage_fail(sock, &e);
	}
	pid = (pid_t)syscall(SYS_clone3, &args, sizeof args);
	if (pid == 0)
		return 0;
	if (pid < 0) {
		err_sys(&e, "cannot start the process");
		stage_fail(sock, &e);
	}
	memcpy(told + 1, &pid, sizeof pid);
	fds_send(sock, told, sizeof told, NULL, 0);
	return pid;
}

pid_t join_pid(const char *text, ssize_t n)
{
	pid_t pid = 0;

	if (n == JOIN_PID_SIZE && text[0] == 'P')
		memcpy(&pid, text + 1, sizeof pid);
	return pid;
}
