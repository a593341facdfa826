/* SPDX-License-Identifier: MIT
 * Steps at which a test ends a process, to see that what it leaves is whole: at the one that
 * FCVM_FAILPOINT names it is killed, or with FCVM_FAILPOINT_FILE held, for the test to kill it or
 * another. */
#ifndef FCVM_FAILPOINT_H
#define FCVM_FAILPOINT_H

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Makes the file, and waits until it is removed. A signal would not do: the first process of a pid
 * namespace cannot stop itself. */
static inline void failpoint_hold(const char *file)
{
	close(open(file, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
	while (access(file, F_OK) == 0)
		poll(NULL, 0, 5);
}

static inline void failpoint(const char *name)
{
	const char *wanted = getenv("FCVM_FAILPOINT"), *file = getenv("FCVM_FAILPOINT_FILE");

	if (!wanted || strcmp(wanted, name) != 0)
		return;
	if (file)
		failpoint_hold(file);
	else
		raise(SIGKILL);
}

#endif
