/* SPDX-License-Identifier: MIT */
#include "tty.h"

#include <signal.h>
#include <sys/ioctl.h>
#include <unistd.h>

void tty_raw(struct tty *t, int fd)
{
	t->fd = -1;
	if (tcgetattr(fd, &t->before) < 0)
		return;
	t->raw = t->before;
	cfmakeraw(&t->raw);
	if (tcsetattr(fd, TCSANOW, &t->raw) == 0)
		t->fd = fd;
}

void tty_again(const struct tty *t)
{
	if (t->fd >= 0)
		tcsetattr(t->fd, TCSANOW, &t->raw);
}

void tty_restore(struct tty *t)
{
	sigset_t ttou, old;

	if (t->fd < 0)
		return;
	/* From the background, setting attributes would stop the process just as it ends. */
	sigemptyset(&ttou);
	sigaddset(&ttou, SIGTTOU);
	pthread_sigmask(SIG_BLOCK, &ttou, &old);
	tcsetattr(t->fd, TCSADRAIN, &t->before);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	t->fd = -1;
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
