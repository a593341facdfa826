/* SPDX-License-Identifier: MIT
 * fcvm run --strace-agent: fcvm-strace(1) has put strace and its libraries into the initrd. */
#include "cleanup.h"
#include "early.h"
#include "xio.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/wait.h>

#define INITRD "/initrd"

/* Whether somebody traces this process, from proc(5). */
static bool traced(void)
{
	auto_free char *text = NULL;
	const char *p;

	if (read_file_at(AT_FDCWD, "/proc/self/status", 65536, &text, NULL) < 0)
		return true; /* then there is no way to wait for it */
	p = strstr(text, "TracerPid:");
	return !p || strtol(p + 10, NULL, 10) != 0;
}

void early_strace(void)
{
	char *argv[] = {(char *)"strace", (char *)"-tt", (char *)"-p", (char *)"1", NULL};
	pid_t pid;

	if (!early_option("fcvm.strace"))
		return;
	if (mount("proc", INITRD "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) < 0)
		return;
	pid = fork();
	if (pid == 0) {
		if (chroot(INITRD) == 0 && chdir("/") == 0)
			execv("/usr/bin/strace", argv);
		_exit(127);
	}
	/* The next system calls are the ones to see: go on when it has attached or given up. */
	while (pid > 0 && !traced() && waitpid(pid, NULL, WNOHANG) == 0)
		usleep(10000);
}
