/* SPDX-License-Identifier: MIT
 * Steps of the set-up at which a test holds a process, to kill it or another there. Nothing of this
 * is in the programs that are installed: the tests build fcvm-net once more (build/t). */
#ifndef FCVM_NET_FAILPOINT_H
#define FCVM_NET_FAILPOINT_H

#ifdef FCVM_FAILPOINTS
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* FCVM_FAILPOINT=NAME: there the process makes the file FCVM_FAILPOINT_FILE, and waits until it is
 * removed. A signal would not do: the first process of a pid namespace cannot stop itself. */
static inline void failpoint(const char *name)
{
	const char *wanted = getenv("FCVM_FAILPOINT"), *file = getenv("FCVM_FAILPOINT_FILE");

	if (!wanted || !file || strcmp(wanted, name) != 0)
		return;
	close(open(file, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
	while (access(file, F_OK) == 0)
		poll(NULL, 0, 5);
}
#else
static inline void failpoint(const char *name)
{
	(void)name;
}
#endif

#endif
