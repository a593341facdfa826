/* SPDX-License-Identifier: MIT */
#include "signals.h"

#include <signal.h>
#include <stddef.h>
#include <sys/signalfd.h>

static sigset_t hold(void)
{
	static const int not_ours[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT, SIGTSTP, SIGCHLD};
	struct sigaction old;
	sigset_t set;

	sigfillset(&set);
	if (sigaction(SIGHUP, NULL, &old) == 0 && old.sa_handler == SIG_IGN)
		sigdelset(&set, SIGHUP);
	for (size_t i = 0; i < sizeof not_ours / sizeof *not_ours; i++)
		sigdelset(&set, not_ours[i]);
	sigprocmask(SIG_BLOCK, &set, NULL);
	return set;
}

void signals_hold(void)
{
	hold();
}

int signals_watch(void)
{
	sigset_t set = hold();

	sigdelset(&set, SIGTTIN);
	sigdelset(&set, SIGTTOU);
	return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

int signals_waiting(void)
{
	static const int ends[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT};
	sigset_t set;

	sigpending(&set);
	for (size_t i = 0; i < sizeof ends / sizeof *ends; i++)
		if (sigismember(&set, ends[i]))
			return ends[i];
	return 0;
}

bool signals_ends(int sig)
{
	return sig == SIGINT || sig == SIGTERM || sig == SIGHUP || sig == SIGQUIT;
}
