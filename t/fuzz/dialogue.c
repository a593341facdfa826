/* SPDX-License-Identifier: MIT
 * What a hostile guest may send to the host: any byte stream leaves the host's side of the
 * conversation standing, with at most a violation noted, and no client is sent more than it has
 * granted. One client is joined to the container, another to a call. */
#include "supervise.h"

#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A client whose other end is *peer. */
static struct conn *client(struct machine *m, int *peer)
{
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return NULL;
	*peer = pair[1];
	return hub_add(m, pair[0]);
}

static void play(struct machine *m, const uint8_t *data, size_t size)
{
	int pair[2], peers[2] = {-1, -1};
	struct conn *joined, *caller;
	json_t *request = json_pack("{s:[s]}", "args", "true");
	struct err e;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return;
	m->vmm->agent = pair[0];
	joined = client(m, &peers[0]);
	caller = client(m, &peers[1]);
	if (joined && caller && write(pair[1], data, size) == (ssize_t)size) {
		container_join(joined, true);
		joined->credit[0] = joined->credit[1] = (int64_t)WINDOW;
		caller->role = ROLE_EXEC;
		caller->call = call_new(m, request, caller, &e);
		if (caller->call)
			caller->call->granted[0] = 1000;
		container_credit(m);
		close(pair[1]);
		while (!m->agent_closed && !m->violation)
			dialogue_receive(m);
		hub_turn(m);
	}
	for (int i = 0; i < 2; i++)
		if (peers[i] >= 0)
			close(peers[i]);
	close(pair[0]);
	json_decref(request);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	json_t *plan =
	        json_pack("{s:{s:b}, s:{s:b}}", "process", "terminal", 0, "fcvm", "interactive", 1);
	struct supervise_opts o = {.plan = plan,
	        .volumes = -1,
	        .dir = -1,
	        .front = -1,
	        .restored = true,
	        .clone = size % 2};
	struct vmm v = {.listen = -1, .console = -1, .monitor = -1, .log = -1, .proc.pidfd = -1};
	struct machine m = {.vmm = &v,
	        .o = &o,
	        .deadline_ms = -1,
	        .interactive = true,
	        .restart = {.policy = "no", .at_ms = -1},
	        .listen_watch.fd = -1,
	        .vmm_ended = true};

	signal(SIGPIPE, SIG_IGN); /* the program has it blocked */
	if (size <= 65536 && loop_init(&m.loop) == 0) {
		proto_in_init(&m.in, PROTO_GUEST);
		play(&m, data, size);
		hub_close_all(&m);
		calls_end(&m, 1, NULL);
		proto_in_free(&m.in);
		close(m.loop.epoll);
	}
	proto_out_free(&m.out);
	proto_out_free(&m.first);
	proto_text_clear(&m.control);
	proto_text_clear(&m.exit_text);
	json_decref(plan);
	return 0;
}
