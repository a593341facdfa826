/* SPDX-License-Identifier: MIT
 * The guest's streams that are joined to somebody else's. */
#include "cleanup.h"
#include "firecracker_ports.h"
#include "tap.h"
#include "tmpdir.h"

#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

static int dial(const struct tmpdir *d, int number)
{
	struct sockaddr_un to = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(to.sun_path, sizeof to.sun_path, "%s/vsock_%d", d->path, number);
	if (connect(fd, (struct sockaddr *)&to, sizeof to) < 0)
		abort();
	return fd;
}

/* Sends n bytes into one end and compares them at the other, both at once. */
static bool passes(int from, int to, size_t n)
{
	size_t sent = 0, got = 0;

	while (got < n) {
		struct pollfd p[2] = {{.fd = sent < n ? from : -1, .events = POLLOUT},
		        {.fd = to, .events = POLLIN}};
		unsigned char buf[8192];

		if (poll(p, 2, 10000) <= 0)
			return false;
		if (p[0].revents) {
			ssize_t r;

			for (size_t i = 0; i < sizeof buf; i++)
				buf[i] = (unsigned char)((sent + i) * 7 >> 3);
			r = send(from, buf, n - sent < sizeof buf ? n - sent : sizeof buf,
			        MSG_DONTWAIT);
			sent += r > 0 ? (size_t)r : 0;
		}
		if (p[1].revents) {
			ssize_t r = recv(to, buf, sizeof buf, MSG_DONTWAIT);

			if (r <= 0)
				return false;
			for (ssize_t i = 0; i < r; i++)
				if (buf[i] != (unsigned char)((got + (size_t)i) * 7 >> 3))
					return false;
			got += (size_t)r;
		}
	}
	return true;
}

static void test_streams(void)
{
	auto_tmpdir struct tmpdir d = tmpdir_make();
	struct vmm_port ports[2] = {{.name = "fcvm.vol0"}, {.name = "fcvm.vol1"}};
	struct err e = {.text = ""};
	int pairs[2][2], guest[2], ws = -1;
	char byte;
	pid_t pid;

	for (int i = 0; i < 2; i++) {
		if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pairs[i]) < 0)
			abort();
		ports[i].fd = pairs[i][0];
	}
	pid = fc_join(d.fd, ports, 2, &e);
	ok(pid > 0, "two streams are joined: %s", e.text);
	close(pairs[0][0]);
	close(pairs[1][0]);
	guest[1] = dial(&d, 1101);
	guest[0] = dial(&d, 1100);
	ok(passes(guest[0], pairs[0][1], 3000000), "from the guest");
	ok(passes(pairs[0][1], guest[0], 3000000), "to the guest");
	ok(passes(pairs[1][1], guest[1], 100000), "another does not mix with it");
	shutdown(guest[1], SHUT_WR);
	is_int(recv(pairs[1][1], &byte, 1, 0), 0, "an end is passed on");
	ok(passes(pairs[1][1], guest[1], 100000), "and the other direction goes on");
	close(pairs[1][1]);
	is_int(recv(guest[1], &byte, 1, 0), 0, "until it ends, too");
	close(guest[0]);
	is_int(recv(pairs[0][1], &byte, 1, 0), 0, "a guest that goes is the end of its stream");
	close(pairs[0][1]);
	waitpid(pid, &ws, 0);
	is_int(ws, 0, "and the process ends with the last");
	close(guest[1]);
	is_int(fc_join(d.fd, ports, 0, &e), 0, "nothing to join");
	strcpy(ports[0].name, "other");
	ok(fc_join(d.fd, ports, 1, &e) < 0 && strstr(e.text, "no number"),
	        "a name without a number");
}

int main(void)
{
	signal(SIGPIPE, SIG_IGN);
	test_streams();
	return done();
}
