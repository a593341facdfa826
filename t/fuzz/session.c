/* SPDX-License-Identifier: MIT
 * What the host may send to a session in the guest: any frames leave the agent standing, and what
 * waits for the process never exceeds the window. The first byte chooses pipes or a terminal. */
#include "session.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void streams(struct session *s, bool tty, int theirs[2])
{
	int in[2], out[2];

	theirs[0] = theirs[1] = -1;
	if (tty) {
		int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK);

		if (master >= 0 && unlockpt(master) == 0)
			session_streams(s, fcntl(master, F_DUPFD_CLOEXEC, 3), master, -1, true);
		return;
	}
	if (pipe2(in, O_CLOEXEC | O_NONBLOCK) < 0 || pipe2(out, O_CLOEXEC | O_NONBLOCK) < 0)
		abort();
	theirs[0] = in[0];
	theirs[1] = out[1];
	if (write(out[1], "output", 6) != 6)
		abort();
	session_streams(s, in[1], out[0], -1, false);
}

static void play(struct session *s, struct loop *l, const uint8_t *data, size_t size)
{
	struct proto_in in;
	struct frame f;
	size_t space;

	proto_in_init(&in, PROTO_HOST);
	if (size > PROTO_IN_SIZE)
		size = PROTO_IN_SIZE;
	memcpy(proto_in_space(&in, &space), data, size);
	proto_in_filled(&in, size);
	while (proto_next(&in, &f) == 1) {
		if (f.channel != 0 && session_frame(s, &f) < 0)
			break;
		if (s->in.len > SESSION_WINDOW || s->in.granted > SESSION_WINDOW)
			abort();
		for (int i = 0; i < 8 && loop_once(l, 0); i++)
			;
	}
	proto_in_free(&in);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct proto_out wire = {0};
	struct session s;
	struct loop l;
	int theirs[2];

	signal(SIGPIPE, SIG_IGN);
	if (size < 1 || loop_init(&l) < 0)
		return 0;
	session_init(&s, 1, &l, &wire);
	streams(&s, data[0] & 1, theirs);
	play(&s, &l, data + 1, size - 1);
	session_exited(&s, 0);
	session_close(&s);
	for (int i = 0; i < 2; i++)
		if (theirs[i] >= 0)
			close(theirs[i]);
	close(l.epoll);
	proto_out_free(&wire);
	return 0;
}
