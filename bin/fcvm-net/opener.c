/* SPDX-License-Identifier: MIT */
#include "opener.h"
#include "cleanup.h"
#include "failpoint.h"
#include "fds.h"
#include "helper.h"

#include <sys/socket.h>

struct job {
	const struct resolv *r;
	int fd;
};

static int open_one(const struct resolv *r, unsigned i)
{
	auto_fd int fd = -1;

	if (i >= r->n)
		return -1;
	fd = socket(r->addr[i].ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0 || (connect(fd, (const struct sockaddr *)&r->addr[i], r->len[i]) < 0 &&
	                      errno != EINPROGRESS))
		return -1;
	return steal_fd(&fd);
}

static int answer(int to, int fd)
{
	char byte = fd >= 0;

	return fds_send(to, &byte, 1, &fd, fd >= 0);
}

static void serve(void *ctx, int report)
{
	const struct job *j = ctx;
	unsigned char i;

	failpoint("opener-ready");
	if (helper_drop_privileges() < 0 || !helper_tell(report, NULL))
		return;
	close(report);
	while (recv(j->fd, &i, 1, 0) == 1) {
		auto_fd int fd = open_one(j->r, i);

		if (answer(j->fd, fd) < 0)
			return;
	}
}

int opener_start(
        const struct resolv *r, char *title, size_t title_size, int *fd, int *report, struct err *e)
{
	int line[2];
	struct job j = {.r = r};
	struct helper h = {.program = "fcvm-net",
	        .name = "opener",
	        .keep = &j.fd,
	        .n_keep = 1,
	        .title = title,
	        .title_size = title_size,
	        .fn = serve,
	        .ctx = &j};

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, line) < 0)
		return err_sys(e, "cannot make a socket pair");
	j.fd = line[1];
	if (helper_start(&h, report, e) < 0) {
		close(line[0]);
		close(line[1]);
		return -1;
	}
	close(line[1]);
	*fd = line[0];
	return 0;
}

int opener_take(int fd)
{
	int fds[FDS_MAX];
	char byte = 0;
	size_t n_fds;
	ssize_t n = fds_receive(fd, &byte, 1, fds, &n_fds, MSG_DONTWAIT);

	if (n <= 0)
		return n == -EAGAIN || n == -EINTR ? -EAGAIN : -EPIPE;
	return byte && n_fds == 1 ? fds[0] : -ECONNREFUSED;
}
