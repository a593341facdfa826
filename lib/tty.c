/* SPDX-License-Identifier: MIT */
#include "tty.h"

#include <signal.h>
#include <sys/ioctl.h>
#include <unistd.h>

void tty_raw(struct tty *t, int fd)
{
	struct termios raw;

	if (t->fd < 0 && tcgetattr(fd, &t->before) < 0)
		return;
	raw = t->before;
	cfmakeraw(&raw);
	if (tcsetattr(fd, TCSANOW, &raw) == 0)
		t->fd = fd;
}

/* From the background, too: it is the last thing that happens to the terminal. */
void tty_restore(struct tty *t)
{
	if (t->fd < 0)
		return;
	tcsetattr(t->fd, TCSADRAIN, &t->before);
	t->fd = -1;
}

bool tty_is_ours(int fd)
{
	pid_t front = tcgetpgrp(fd);

	return front < 0 || front == getpgrp();
}

bool tty_stop(int sig)
{
	sigset_t set, old;

	sigemptyset(&set);
	sigaddset(&set, sig);
	kill(0, sig);
	pthread_sigmask(SIG_UNBLOCK, &set, &old); /* stops here; ignored in an orphaned group */
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	sigpending(&set);
	return sigismember(&set, SIGCONT) == 1;
}

void tty_size(uint16_t *rows, uint16_t *cols)
{
	struct winsize ws;

	*rows = *cols = 0;
	for (int fd = 0; fd < 3; fd++) {
		if (ioctl(fd, TIOCGWINSZ, &ws) == 0) {
			*rows = ws.ws_row;
			*cols = ws.ws_col;
			return;
		}
	}
}
