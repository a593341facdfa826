/* SPDX-License-Identifier: MIT
 * The way of a process into the container: two forks. The first process is in the container's
 * cgroup and enters its namespaces, setns(2); the second, whose parent is the agent as well
 * (CLONE_PARENT), is forked from there, because a PID namespace holds only processes that were
 * forked after joining it. */
#ifndef FCVM_JOIN_H
#define FCVM_JOIN_H

#include "err.h"

#include <stdbool.h>
#include <sys/types.h>

/* A fork whose child begins in that cgroup; -1: in the agent's. */
pid_t join_fork_first(int cgroup);

/* In the first process: forks the second, in the namespaces of the process that pidfd names (-1:
 * in the present ones), in its PID namespace only if inside, and sends 'P' and its pid through
 * sock. The pid, or 0 in the second process; who fails says so through sock (stage_fail()) and
 * ends. */
pid_t join_fork_second(int pidfd, int sock, bool inside);

/* The pid in such a message of n bytes; 0: it is another one. */
pid_t join_pid(const char *text, ssize_t n);
#define JOIN_PID_SIZE (1 + sizeof(pid_t))

#endif
