/* SPDX-License-Identifier: MIT
 * Child processes that cannot outlive their parent and whose descriptors are all accounted for. */
#ifndef FCVM_PROC_H
#define FCVM_PROC_H

#include "err.h"

#include <stdbool.h>
#include <sys/types.h>

struct proc_opts {
	int in, out, err; /* become 0, 1, 2; -1: /dev/null */
	const int *keep;  /* further descriptors the child keeps under the same numbers */
	int n_keep;
	bool new_session;       /* setsid: terminal signals do not reach it */
	const char *const *env; /* NULL: inherited */
	/* Called in the child when all is done but to execute; -1 with errno set is a failure to do
	 * that. May be NULL. */
	int (*prepare)(void *ctx);
	void *ctx;
	bool ends_otherwise; /* in a pid namespace that ends with the caller, which it cannot see */
};

#define PROC_INHERIT                        \
	{                                   \
		.in = 0, .out = 1, .err = 2 \
	}

struct proc {
	pid_t pid;
	int pidfd; /* the caller closes */
};

/* Starts argv[0] (looked up in PATH) with SIGKILL as its parent-death signal (armed last, then the
 * parent is checked again), default signal dispositions, an empty signal mask and no descriptors
 * but those named. Failure to execute is reported here, with status FCVM_EX_NOENT or
 * FCVM_EX_NOEXEC, not by an exit status of the child. */
int proc_start(struct proc *p, char *const *argv, const struct proc_opts *o, struct err *e);

/* Waits and returns the wait status (as of waitpid(2)), or -errno. Closes pidfd. */
int proc_wait(struct proc *p);

/* Sends the signal through the pidfd, so never to a reused pid. */
void proc_kill(const struct proc *p, int sig);

/* Runs to the end: the exit status, 128 + N for signal N, or -1 with e filled. */
int proc_run(char *const *argv, const struct proc_opts *o, struct err *e);

/* Runs and collects stdout, up to max bytes, in malloc'd *out (NUL-terminated; caller frees). A
 * status other than 0 is an error whose text has the last line of the program's stderr. */
int proc_output(char *const *argv, size_t max, char **out, struct err *e);

/* The last line of what was written to the file fd, cut to fit; "" if there is nothing. */
void proc_last_line(int fd, char *out, size_t size);

/* 128 + signal or the exit status of a wait status. */
int proc_status(int wstatus);

#endif
