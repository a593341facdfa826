/* SPDX-License-Identifier: MIT */
#include "firecracker_ports.h"
#include "cleanup.h"
#include "firecracker_requests.h"
#include "guest_port.h"
#include "status.h"
#include "xio.h"

#include <fcntl.h>
#include <linux/close_range.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>

#define BUFFER ((size_t)256 << 10)

int fc_listen(int dir, const char *name, struct err *e)
{
	auto_fd int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	int number = guest_port_number(name);

	if (number < 0)
		return err_set(e, FCVM_EX_FAIL, "the stream %s has no number for vsock", name);
	snprintf(at.sun_path, sizeof at.sun_path, "/proc/self/fd/%d/" FC_VSOCK_NAME "_%d", dir,
	        number);
	if (fd < 0 || bind(fd, (struct sockaddr *)&at, sizeof at) < 0 || listen(fd, 4) < 0)
		return err_sys(e, "cannot listen for the guest's stream %s", name);
	return steal_fd(&fd);
}

int fc_accept(int listen_fd)
{
	struct sockaddr_un from;
	socklen_t n = sizeof from;

	return accept4(listen_fd, (struct sockaddr *)&from, &n, SOCK_CLOEXEC);
}

/* One direction. */
struct flow {
	char *buf;
	size_t start, end;
	bool eof, done;
};

struct join {
	int listen, guest, host; /* -1: not yet, or no more */
	struct flow in, out;     /* to the guest, from the guest */
};

static void pull(struct flow *f, int fd)
{
	ssize_t n;

	if (f->eof || f->end > f->start)
		return;
	n = recv(fd, f->buf, BUFFER, MSG_DONTWAIT);
	f->start = 0;
	f->end = n > 0 ? (size_t)n : 0;
	f->eof = n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR);
}

static void push(struct flow *f, int fd)
{
	while (f->end > f->start) {
		ssize_t n =
		        send(fd, f->buf + f->start, f->end - f->start, MSG_DONTWAIT | MSG_NOSIGNAL);

		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		if (n < 0) { /* nobody reads any more */
			f->start = f->end;
			f->eof = true;
			break;
		}
		f->start += (size_t)n;
	}
	if (f->eof && !f->done) {
		shutdown(fd, SHUT_WR);
		f->done = true;
	}
}

static void turn(struct join *j)
{
	if (j->guest < 0 && j->listen >= 0) {
		j->guest = fc_accept(j->listen);
		if (j->guest >= 0)
			close(steal_fd(&j->listen));
	}
	if (j->guest < 0)
		return;
	pull(&j->in, j->host);
	push(&j->in, j->guest);
	pull(&j->out, j->guest);
	push(&j->out, j->host);
	if (j->in.done && j->out.done) {
		close(steal_fd(&j->guest));
		close(steal_fd(&j->host));
	}
}

/* What to wait for on the two descriptors of a join. */
static void wants(const struct join *j, struct pollfd p[2])
{
	bool in_full = j->in.end > j->in.start, out_full = j->out.end > j->out.start;

	p[0] = (struct pollfd){.fd = j->guest >= 0 ? j->guest : j->listen, .events = POLLIN};
	p[1] = (struct pollfd){.fd = j->guest >= 0 ? j->host : -1};
	if (j->guest < 0)
		return;
	p[0].events = (short)((out_full || j->out.eof ? 0 : POLLIN) | (in_full ? POLLOUT : 0));
	p[1].events = (short)((in_full || j->in.eof ? 0 : POLLIN) | (out_full ? POLLOUT : 0));
	/* An end that hung up is told without being asked for, for ever. */
	for (int i = 0; i < 2; i++)
		if (!p[i].events)
			p[i].fd = -1;
}

static void __attribute__((noreturn)) run(struct join *all, size_t n)
{
	struct pollfd p[2 * VMM_PORTS];
	bool open = true;

	while (open) {
		open = false;
		for (size_t i = 0; i < n; i++) {
			turn(&all[i]);
			wants(&all[i], &p[2 * i]);
			open |= all[i].host >= 0;
		}
		if (open)
			poll(p, 2 * n, -1);
	}
	_exit(0);
}

static void __attribute__((noreturn)) child(struct join *all, size_t n, pid_t parent)
{
	int fds[2 * VMM_PORTS];

	prctl(PR_SET_NAME, "fcvm-boot-ports");
	/* Held by their numbers alone: everything else is somebody else's to end. */
	for (size_t i = 0; i < n; i++) {
		fds[2 * i] = fcntl(all[i].listen, F_DUPFD_CLOEXEC, FC_FD_END);
		fds[2 * i + 1] = fcntl(all[i].host, F_DUPFD_CLOEXEC, FC_FD_END);
		if (fds[2 * i] < 0 || fds[2 * i + 1] < 0)
			_exit(FCVM_EX_FAIL);
		all[i].listen = fds[2 * i];
		all[i].host = fds[2 * i + 1];
	}
	close_range(0, FC_FD_END - 1, 0);
	std_fds_open();
	setsid();
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(FCVM_EX_FAIL);
	run(all, n);
}

static int prepare(struct join *j, int dir, const struct vmm_port *port, struct err *e)
{
	*j = (struct join){.listen = fc_listen(dir, port->name, e), .guest = -1, .host = port->fd};
	j->in.buf = malloc(BUFFER);
	j->out.buf = malloc(BUFFER);
	if (j->listen >= 0 && (!j->in.buf || !j->out.buf))
		return err_sys(e, "cannot join the stream %s", port->name);
	return j->listen < 0 ? -1 : 0;
}

pid_t fc_join(int dir, const struct vmm_port *ports, size_t n, struct err *e)
{
	struct join all[VMM_PORTS];
	pid_t parent = getpid(), pid = 0;
	size_t made = 0;

	if (!n)
		return 0;
	while (made < n && prepare(&all[made], dir, &ports[made], e) == 0)
		made++;
	if (made == n) {
		pid = fork();
		if (pid == 0)
			child(all, n, parent);
		if (pid < 0)
			err_sys(e, "cannot start the process of the guest's streams");
	}
	for (size_t i = 0; i < n && i <= made; i++) {
		if (all[i].listen >= 0)
			close(all[i].listen);
		free(all[i].in.buf);
		free(all[i].out.buf);
	}
	return made == n ? pid : -1;
}
