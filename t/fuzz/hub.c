/* SPDX-License-Identifier: MIT
 * What a client may send on the control socket: any byte stream leaves the supervisor standing, and
 * what reaches the agent from it are frames that a host may send. */
#include "supervise.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Reads what was queued for the agent as the agent would. */
static void check(struct machine *m)
{
	struct proto_in in;
	struct frame f;
	size_t at = m->out.start, space, n;
	int r = 0;

	proto_in_init(&in, PROTO_HOST);
	while (at < m->out.end && r >= 0) {
		uint8_t *to = proto_in_space(&in, &space);

		n = m->out.end - at < space ? m->out.end - at : space;
		memcpy(to, m->out.buf + at, n);
		proto_in_filled(&in, n);
		at += n;
		while ((r = proto_next(&in, &f)) == 1)
			;
	}
	if (r < 0)
		abort();
	proto_in_free(&in);
}

static void play(struct machine *m, const uint8_t *data, size_t size)
{
	int pair[2];
	struct conn *c;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return;
	c = hub_add(m, pair[0]);
	if (!c)
		return;
	if (data[0] & 1)
		container_join(c, true);
	if (write(pair[1], data + 1, size - 1) == (ssize_t)size - 1)
		for (int i = 0; i < 64 && m->conns && loop_once(&m->loop, 0); i++) {
			hub_turn(m);
			check(m);
		}
	close(pair[1]);
	hub_turn(m);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	json_t *plan =
	        json_pack("{s:{s:b}, s:{s:b}}", "process", "terminal", 0, "fcvm", "interactive", 1);
	struct supervise_opts o = {.plan = plan, .volumes = -1, .dir = -1, .front = -1};
	struct vmm v = {.agent = -1, .listen = -1, .console = -1, .log = -1, .proc.pidfd = -1};
	struct machine m = {.vmm = &v,
	        .o = &o,
	        .phase = PHASE_RUN,
	        .running = true,
	        .interactive = true,
	        .in_pool = 1000,
	        .deadline_ms = -1,
	        .restart = {.policy = "no", .at_ms = -1},
	        .listen_watch.fd = -1,
	        .vmm_ended = true};

	signal(SIGPIPE, SIG_IGN); /* the program has it blocked */
	if (size > 0 && size <= 65536 && loop_init(&m.loop) == 0) {
		play(&m, data, size);
		hub_close_all(&m);
		calls_end(&m, 1, NULL);
		close(m.loop.epoll);
	}
	proto_out_free(&m.out);
	json_decref(plan);
	return 0;
}
