/* SPDX-License-Identifier: MIT
 * A command of the agent's own tools in a container, with one of its streams as a pipe of ours. */
#ifndef CTL_CP_TOOL_H
#define CTL_CP_TOOL_H

#include "err.h"
#include "strv.h"
#include "vms.h"

#include <stddef.h>
#include <sys/types.h>

enum tool_pipe { TOOL_READS, TOOL_WRITES };

struct tool {
	const char *vm;
	int fd;     /* the pipe: its stdin or its stdout */
	int report; /* how it ended */
	pid_t pid;
};

#define TOOL_NONE ((struct tool){.fd = -1, .report = -1})

/* Starts the applet args->v[0]: as root with all rights, or as the container's own user. Released
 * with tool_end(), also after a failure. 0, or -1 with e filled. */
int tool_start(const struct vm *vm, const struct strv *args, enum tool_pipe pipe, bool as_root,
        struct tool *t, struct err *e);

/* Closes the pipe and waits. 0 if the command ended with 0 and said nothing on stderr, or was never
 * started; else -1 with e filled. */
int tool_end(struct tool *t, struct err *e);

/* Does not wait for what the command would still do. */
void tool_kill(const struct tool *t);

/* All that a command writes, at most size - 1 bytes, NUL-terminated: their number, or -1 with e
 * filled. */
ssize_t tool_output(const struct vm *vm, const struct strv *args, bool as_root, char *buf,
        size_t size, struct err *e);

#endif
