/* SPDX-License-Identifier: MIT
 * Signals as events, for programs that pass them on. */
#ifndef FCVM_SIGNALS_H
#define FCVM_SIGNALS_H

#include <stdbool.h>

/* Blocks what signals_watch() takes: from now on it waits for that. */
void signals_hold(void);

/* Blocks all signals but those that say that the process itself is broken, and SIGTSTP and SIGCHLD,
 * and returns a signalfd(2) for them, close-on-exec and non-blocking, or -1. SIGTTIN and SIGTTOU
 * are blocked without being events: see tty.h. A SIGHUP that is ignored stays so, as nohup(1) means
 * it; SIGINT is taken also where a script's shell has it ignored (any background command): who
 * sends it by name means it. */
int signals_watch(void);

/* One of those that wait and ask for an end, or 0. */
int signals_waiting(void);

/* Whether it asks a process to end: SIGINT, SIGTERM, SIGHUP, SIGQUIT. */
bool signals_ends(int sig);

#endif
