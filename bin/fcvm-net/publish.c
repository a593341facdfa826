/* SPDX-License-Identifier: MIT */
#include "publish.h"
#include "cleanup.h"
#include "status.h"

#include <arpa/inet.h>
#include <string.h>
#include <sys/socket.h>

union any {
	struct sockaddr sa;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
};

static socklen_t fill(union any *a, int family, const void *ip, uint16_t port)
{
	memset(a, 0, sizeof *a);
	if (family == AF_INET) {
		a->v4.sin_family = AF_INET;
		a->v4.sin_port = htons(port);
		memcpy(&a->v4.sin_addr, ip, sizeof a->v4.sin_addr);
		return sizeof a->v4;
	}
	a->v6.sin6_family = AF_INET6;
	a->v6.sin6_port = htons(port);
	memcpy(&a->v6.sin6_addr, ip, sizeof a->v6.sin6_addr);
	return sizeof a->v6;
}

/* A datagram's answer must come from the address that the question went to, also where the socket
 * is bound to all of them. */
static void want_pktinfo(int fd, int family)
{
	int one = 1;

	if (family == AF_INET)
		setsockopt(fd, IPPROTO_IP, IP_PKTINFO, &one, sizeof one);
	else
		setsockopt(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, &one, sizeof one);
}

/* Returns the listening socket and sets *number to its port, or -errno. */
static int listen_on(int family, const void *ip, uint16_t *number, bool udp)
{
	auto_fd int fd =
	        socket(family, (udp ? SOCK_DGRAM : SOCK_STREAM) | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	union any a;
	socklen_t len = fill(&a, family, ip, *number);
	int one = 1;

	if (fd < 0)
		return -errno;
	/* For TCP it only means that connections of a former listener may still be closing. For UDP
	 * it would let two take the same port. */
	if (!udp)
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
	if (family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof one);
	if (udp)
		want_pktinfo(fd, family);
	if (bind(fd, &a.sa, len) < 0 || (!udp && listen(fd, SOMAXCONN) < 0))
		return -errno;
	if (getsockname(fd, &a.sa, &len) < 0)
		return -errno;
	*number = ntohs(family == AF_INET ? a.v4.sin_port : a.v6.sin6_port);
	return steal_fd(&fd);
}

/* The same, if need be when somebody has left the port. */
static int listen_soon(struct publish *p, int family, const void *ip, uint16_t *number, bool udp)
{
	int fd;

	do
		fd = listen_on(family, ip, number, udp);
	while (fd == -EADDRINUSE && *number && patience_wait(&p->patience));
	return fd;
}

static void keep(struct publish *p, int fd, int family, const struct port *port)
{
	struct listener *v = reallocarray(p->v, p->n + 1, sizeof *v);

	if (!v)
		abort();
	p->v = v;
	v[p->n++] = (struct listener){
	        .fd = fd, .family = family, .guest = port->guest, .udp = port->udp};
}

static int cannot(const struct port *port, const char *where, int r, struct err *e)
{
	errno = -r;
	err_sys(e, "--publish %s: cannot listen%s%s", port->text, *where ? " on " : "", where);
	if (r == -EACCES)
		err_set(e, FCVM_EX_FAIL,
		        "--publish %s: cannot listen%s%s: Permission denied: choose a host port "
		        "above 1023, or as root run: sysctl net.ipv4.ip_unprivileged_port_start=%d",
		        port->text, *where ? " on " : "", where, port->host);
	else if (r == -EMFILE)
		err_set(e, FCVM_EX_FAIL,
		        "--publish %s: too many ports for the limit of open files: raise it with "
		        "ulimit -n",
		        port->text);
	return -1;
}

int publish_own(struct publish *p, struct ports *ports, const char *address, struct err *e)
{
	struct in_addr ip;
	int fd = 0;

	inet_pton(AF_INET, address, &ip);
	for (size_t i = 0; i < ports->n; i++) {
		struct port *port = &ports->v[i];
		uint16_t number = port->host;

		if (port->family != AF_UNSPEC)
			continue;
		fd = listen_on(AF_INET, &ip, &number, port->udp);
		if (fd == -EADDRINUSE)
			break;
		if (fd < 0)
			return cannot(port, address, fd, e);
		keep(p, fd, AF_INET, port);
		port->host = number;
		port->own = true;
	}
	if (fd != -EADDRINUSE)
		return 0;
	publish_free(p);
	return -EADDRINUSE;
}

/* A port that is free on the loopback address is as good as any. */
int publish_native(struct ports *ports, struct err *e)
{
	struct in_addr any = {.s_addr = htonl(INADDR_LOOPBACK)};

	for (size_t i = 0; i < ports->n; i++) {
		struct port *port = &ports->v[i];

		if (port->family != AF_UNSPEC)
			continue;
		if (port->host == 0) {
			int fd = listen_on(AF_INET, &any, &port->host, port->udp);

			if (fd < 0)
				return cannot(port, "127.0.0.1", fd, e);
			close(fd);
		}
		port->own = true;
	}
	return 0;
}

static int on_loopback(struct publish *p, struct port *port, bool must, struct err *e)
{
	struct in_addr v4 = {.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = must ? listen_soon(p, AF_INET, &v4, &port->host, port->udp)
	              : listen_on(AF_INET, &v4, &port->host, port->udp);

	if (fd == -EMFILE || (fd < 0 && must))
		return cannot(port, "127.0.0.1", fd, e);
	port->lo4 = fd >= 0;
	port->taken4 = fd == -EADDRINUSE;
	if (fd >= 0)
		keep(p, fd, AF_INET, port);
	fd = listen_on(AF_INET6, &in6addr_loopback, &port->host, port->udp);
	if (fd == -EMFILE)
		return cannot(port, "[::1]", fd, e);
	port->lo6 = fd >= 0;
	port->taken6 = fd == -EADDRINUSE;
	if (fd >= 0)
		keep(p, fd, AF_INET6, port);
	return 0;
}

int publish_rest(struct publish *p, struct ports *ports, bool must, struct err *e)
{
	/* Those that somebody insists on first. */
	for (size_t i = 0; i < ports->n; i++) {
		struct port *port = &ports->v[i];
		int fd;

		if (port->family == AF_UNSPEC)
			continue;
		fd = listen_soon(p, port->family, &port->ip, &port->host, port->udp);
		if (fd < 0)
			return cannot(port, "", fd, e);
		keep(p, fd, port->family, port);
	}
	for (size_t i = 0; i < ports->n; i++)
		if (ports->v[i].family == AF_UNSPEC && on_loopback(p, &ports->v[i], must, e) < 0)
			return -1;
	return 0;
}

void publish_free(struct publish *p)
{
	for (size_t i = 0; i < p->n; i++)
		close(p->v[i].fd);
	free(p->v);
	p->v = NULL;
	p->n = 0;
}
