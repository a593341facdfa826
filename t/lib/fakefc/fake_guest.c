/* SPDX-License-Identifier: MIT
 * The guest: its agent, as far as the host can tell. */
#include "fakefc.h"
#include "proto.h"
#include "strv.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static int dial(const char *vsock, int port)
{
	struct sockaddr_un to = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(to.sun_path, sizeof to.sun_path, "%s_%d", vsock, port);
	if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof to) < 0)
		return -1;
	return fd;
}

static void control(struct proto_out *out, const char *text)
{
	proto_put_text(out, 0, PROTO_CONTROL, text, strlen(text));
}

static const char *wish(void)
{
	const char *what = getenv("FAKEFC_GUEST");

	return what ? what : "run";
}

struct guest {
	struct proto_out out;
	int *state;
	bool said; /* the container's words */
};

static void done(struct guest *g, int status)
{
	char text[64];

	proto_put(&g->out, 1, PROTO_EOF, PROTO_OUT, NULL, 0);
	proto_put(&g->out, 1, PROTO_EOF, PROTO_ERR, NULL, 0);
	snprintf(text, sizeof text, "{\"status\":%d}", status);
	proto_put_text(&g->out, 1, PROTO_EXIT, text, strlen(text));
}

/* The container's part: it speaks as soon as somebody listens, and ends. */
static void container(struct guest *g, const struct frame *f)
{
	static const char hello[] = "hello from the stand-in\n";

	if (f->type == PROTO_SIGNAL && f->len == 1)
		done(g, 128 + f->data[0]);
	if (f->type != PROTO_CREDIT || frame_stream(f) != PROTO_OUT || g->said)
		return;
	g->said = true;
	proto_put(&g->out, 1, PROTO_DATA, PROTO_OUT, hello, strlen(hello));
	if (strncmp(wish(), "stay", 4) != 0)
		done(g, !strncmp(wish(), "exit=", 5) ? atoi(wish() + 5) : 0);
}

static void fatal(struct guest *g, const char *why)
{
	char text[200];

	snprintf(text, sizeof text, "{\"type\":\"FATAL\",\"error\":\"the stand-in %s\"}", why);
	control(&g->out, text);
}

/* Who goes on from a state is told first what it is now: with what, tells which state it was. */
static void resume(struct guest *g, const json_t *j)
{
	const char *entropy = json_string_value(json_object_get(j, "entropy"));
	bool clone = json_object_get(j, "epoch") && json_object_get(j, "machineId") &&
	             json_object_get(j, "bootId") && json_object_get(j, "plan");

	if (!json_is_integer(json_object_get(j, "time")) || !entropy || strlen(entropy) < 64)
		fatal(g, "was resumed without time and entropy");
	else if (*g->state != (clone ? GUEST_FROZEN : GUEST_READY))
		fatal(g, "was resumed as what it was not");
	else
		control(&g->out, clone ? "{\"type\":\"RESUMED\",\"paused\":false}"
		                       : "{\"type\":\"RESUMED\"}");
	*g->state = clone ? GUEST_RUNS : GUEST_BOOTED;
}

static void message(struct guest *g, const struct frame *f)
{
	json_t *j = json_loadb((const char *)f->data, f->len, JSON_REJECT_DUPLICATES, NULL);
	const char *type = json_string_value(json_object_get(j, "type"));

	if (!type)
		fatal(g, "got what is no message");
	else if (!strcmp(type, "RESUME"))
		resume(g, j);
	else if (!strcmp(type, "THAW") && *g->state == GUEST_FROZEN)
		*g->state = GUEST_RUNS;
	else if (*g->state == GUEST_FROZEN || *g->state == GUEST_READY)
		fatal(g, "got something else than RESUME or THAW");
	else if (!strcmp(type, "BYE"))
		_exit(0);
	else if (!strcmp(type, "TEMPLATE") && *g->state == GUEST_BOOTED) {
		*g->state = GUEST_READY;
		control(&g->out, "{\"type\":\"READY\"}");
	} else if (!strcmp(type, "PLAN") && *g->state == GUEST_BOOTED) {
		*g->state = GUEST_RUNS;
		control(&g->out, "{\"type\":\"STARTED\"}");
	} else if (!strcmp(type, "FREEZE") && *g->state == GUEST_RUNS) {
		*g->state = GUEST_FROZEN;
		control(&g->out, "{\"type\":\"FROZEN\"}");
	} else
		fatal(g, "got a message out of turn");
	json_decref(j);
}

static void handle(struct guest *g, const struct frame *f)
{
	if (f->type == PROTO_CONTROL)
		message(g, f);
	else if (*g->state == GUEST_RUNS && f->channel == 1)
		container(g, f);
	else
		fatal(g, "got a frame while nothing of it runs");
}

static volatile sig_atomic_t is_reset;

static void on_reset(int sig)
{
	(void)sig;
	is_reset = 1;
}

static int connect_host(const char *vsock)
{
	int fd = dial(vsock, 1024);

	if (fd >= 0)
		return fd;
	dprintf(1, "fake guest: nobody at port 1024\r\n");
	_exit(0);
}

/* What came by a connection that is reset is lost. */
static void lose(int *fd, struct proto_in *in, const struct guest *g, const char *vsock)
{
	if (!is_reset && *g->state != GUEST_FROZEN && *g->state != GUEST_READY)
		_exit(1);
	is_reset = 0;
	close(*fd);
	while (!strcmp(wish(), "stay-lost"))
		pause();
	in->start = in->end = 0;
	*fd = connect_host(vsock);
}

static void talk(const char *vsock, int *state, bool restored)
{
	struct guest g = {.state = state};
	int fd = connect_host(vsock);
	struct proto_in in = {0};
	struct frame f;
	char first[128];

	proto_in_init(&in, PROTO_HOST);
	snprintf(first, sizeof first,
	        "{\"type\":\"HELLO\",\"proto\":%d,\"version\":\"0\",\"release\":\"fake\","
	        "\"image\":true}",
	        PROTO_VERSION);
	if (!restored)
		control(&g.out, first);
	for (;;) {
		size_t space;
		uint8_t *p;
		ssize_t n;

		if (proto_flush(&g.out, fd) < 0 && !is_reset)
			_exit(1);
		p = proto_in_space(&in, &space);
		n = read(fd, p, space);
		if (n <= 0 || is_reset) {
			lose(&fd, &in, &g, vsock);
			continue;
		}
		proto_in_filled(&in, (size_t)n);
		while (proto_next(&in, &f) == 1)
			handle(&g, &f);
	}
}

static sigset_t *reset_signal(sigset_t *set)
{
	sigemptyset(set);
	sigaddset(set, SIGUSR1);
	return set;
}

static void __attribute__((noreturn)) guest(const char *vsock, int *state)
{
	struct sigaction reset = {.sa_handler = on_reset}; /* which ends a read(2) */
	const char *what = wish();
	bool restored = *state == GUEST_READY || *state == GUEST_FROZEN;
	sigset_t set;

	sigaction(SIGUSR1, &reset, NULL);
	sigprocmask(SIG_UNBLOCK, reset_signal(&set), NULL);
	if (!restored)
		dprintf(1, "fake guest boots\r\n");
	if (!strcmp(what, "panic")) {
		dprintf(1, "[    0.1] Kernel panic - not syncing: fake reason\r\n");
		_exit(0);
	}
	if (!strcmp(what, "silent"))
		_exit(0);
	while (!strcmp(what, "wait") || (restored && !strcmp(what, "stay-lost")))
		pause();
	if (!strcmp(what, "signal"))
		raise(SIGSEGV);
	if (!strncmp(what, "status=", 7))
		_exit(atoi(what + 7));
	if (vsock)
		talk(vsock, state, restored);
	dprintf(1, "fake guest: no vsock\r\n");
	_exit(0);
}

pid_t fake_guest_start(const char *vsock, int *state)
{
	pid_t parent = getpid(), pid;
	sigset_t set, was;

	/* A guest that is not ready for it yet is not to be ended by it. */
	sigprocmask(SIG_BLOCK, reset_signal(&set), &was);
	pid = fork();
	if (pid != 0) {
		sigprocmask(SIG_SETMASK, &was, NULL);
		return pid;
	}
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(1);
	close_range(3, 199, 0); /* a connection that is closed is to be noticed */
	guest(vsock, state);
}
