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

/* Ends the machine as the agent does. */
static void handle(const struct frame *f, struct proto_out *out, int status)
{
	static const char hello[] = "hello from the stand-in\n";
	static bool said, planned;
	char text[64];

	if (f->type == PROTO_CONTROL && memmem(f->data, f->len, "\"BYE\"", 5))
		_exit(0);
	if (f->type == PROTO_CONTROL && memmem(f->data, f->len, "\"PLAN\"", 6)) {
		control(out, "{\"type\":\"STARTED\"}");
		planned = true;
	}
	if (f->type != PROTO_CREDIT || frame_stream(f) != PROTO_OUT || said || !planned)
		return;
	said = true;
	proto_put(out, 1, PROTO_DATA, PROTO_OUT, hello, strlen(hello));
	proto_put(out, 1, PROTO_EOF, PROTO_OUT, NULL, 0);
	proto_put(out, 1, PROTO_EOF, PROTO_ERR, NULL, 0);
	snprintf(text, sizeof text, "{\"status\":%d}", status);
	proto_put_text(out, 1, PROTO_EXIT, text, strlen(text));
}

static void talk(int fd, int status)
{
	struct proto_out out = {0};
	struct proto_in in = {0};
	struct frame f;
	char first[128];

	proto_in_init(&in, PROTO_HOST);
	snprintf(first, sizeof first,
	        "{\"type\":\"HELLO\",\"proto\":%d,\"version\":\"0\",\"release\":\"fake\","
	        "\"image\":true}",
	        PROTO_VERSION);
	control(&out, first);
	for (;;) {
		size_t space;
		uint8_t *p;
		ssize_t n;

		if (proto_flush(&out, fd) < 0)
			_exit(1);
		p = proto_in_space(&in, &space);
		n = read(fd, p, space);
		if (n <= 0)
			_exit(1);
		proto_in_filled(&in, (size_t)n);
		while (proto_next(&in, &f) == 1)
			handle(&f, &out, status);
	}
}

static void __attribute__((noreturn)) guest(const char *vsock)
{
	const char *what = getenv("FAKEFC_GUEST");
	int fd;

	dprintf(1, "fake guest boots\r\n");
	if (what && !strcmp(what, "panic")) {
		dprintf(1, "[    0.1] Kernel panic - not syncing: fake reason\r\n");
		_exit(0);
	}
	if (what && !strcmp(what, "silent"))
		_exit(0);
	while (what && !strcmp(what, "wait"))
		pause();
	if (what && !strcmp(what, "signal"))
		raise(SIGSEGV);
	if (what && !strncmp(what, "status=", 7))
		_exit(atoi(what + 7));
	fd = vsock ? dial(vsock, 1024) : -1;
	if (fd < 0) {
		dprintf(1, "fake guest: nobody at port 1024\r\n");
		_exit(0);
	}
	talk(fd, what && !strncmp(what, "exit=", 5) ? atoi(what + 5) : 0);
	_exit(0);
}

pid_t fake_guest_start(const char *vsock)
{
	pid_t parent = getpid(), pid = fork();

	if (pid != 0)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(1);
	guest(vsock);
}
