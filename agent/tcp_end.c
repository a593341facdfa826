/* SPDX-License-Identifier: MIT
 * The peers of a clone's TCP connections talk to the machine that it was, so each is ended as by a
 * reset: sock_diag(7), SOCK_DESTROY. Connections of the machine with itself are whole, and stay. */
#include "clone.h"
#include "cleanup.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>

#define STATES_OPEN (~(1U << TCP_LISTEN | 1U << TCP_CLOSE | 1U << TCP_TIME_WAIT) & 0xfffU)
#define BATCH       256

struct request {
	struct nlmsghdr h;
	struct inet_diag_req_v2 r;
};

static int ask(int fd, uint16_t type, uint16_t flags, const struct inet_diag_req_v2 *r)
{
	struct request m = {.h = {.nlmsg_len = sizeof m,
	                            .nlmsg_type = type,
	                            .nlmsg_flags = (uint16_t)(NLM_F_REQUEST | flags)},
	        .r = *r};

	return send(fd, &m, sizeof m, 0) == (ssize_t)sizeof m ? 0 : -errno;
}

/* The other end is this machine, too. */
static bool is_own(const struct inet_diag_msg *m)
{
	struct in6_addr peer;

	if (m->idiag_family == AF_INET)
		return (ntohl(m->id.idiag_dst[0]) >> 24) == 127 ||
		       m->id.idiag_dst[0] == m->id.idiag_src[0];
	memcpy(&peer, m->id.idiag_dst, sizeof peer);
	if (IN6_IS_ADDR_V4MAPPED(&peer) && (ntohl(m->id.idiag_dst[3]) >> 24) == 127)
		return true;
	return IN6_IS_ADDR_LOOPBACK(&peer) ||
	       !memcmp(m->id.idiag_dst, m->id.idiag_src, sizeof peer);
}

/* One answer to a dump: adds what is to be ended to list. 0: more to come; 1: that was all. */
static int take(const char *buf, size_t n, struct inet_diag_sockid *list, size_t *count)
{
	struct nlmsghdr h;
	struct inet_diag_msg m;

	for (size_t at = 0; n - at >= sizeof h; at += NLMSG_ALIGN(h.nlmsg_len)) {
		memcpy(&h, buf + at, sizeof h);
		if (h.nlmsg_len < sizeof h || h.nlmsg_len > n - at)
			return -EPROTO;
		if (h.nlmsg_type == NLMSG_DONE)
			return 1;
		if (h.nlmsg_type == NLMSG_ERROR)
			return -EOPNOTSUPP;
		if (h.nlmsg_len < NLMSG_HDRLEN + sizeof m)
			continue;
		memcpy(&m, buf + at + NLMSG_HDRLEN, sizeof m);
		if (!is_own(&m) && *count < BATCH)
			list[(*count)++] = m.id;
		if (NLMSG_ALIGN(h.nlmsg_len) > n - at)
			break;
	}
	return 0;
}

static int dump(int family, struct inet_diag_sockid *list, size_t *count)
{
	auto_fd int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
	struct inet_diag_req_v2 r = {.sdiag_family = (uint8_t)family,
	        .sdiag_protocol = IPPROTO_TCP,
	        .idiag_states = STATES_OPEN};
	char buf[32768];
	int done = fd < 0 ? -errno : ask(fd, SOCK_DIAG_BY_FAMILY, NLM_F_DUMP, &r);

	*count = 0;
	while (done == 0) {
		ssize_t n = recv(fd, buf, sizeof buf, 0);

		done = n < 0 ? -errno : take(buf, (size_t)n, list, count);
	}
	return done < 0 ? done : 0;
}

static int destroy(int family, const struct inet_diag_sockid *id)
{
	auto_fd int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
	struct inet_diag_req_v2 r = {.sdiag_family = (uint8_t)family,
	        .sdiag_protocol = IPPROTO_TCP,
	        .idiag_states = STATES_OPEN,
	        .id = *id};
	struct {
		struct nlmsghdr h;
		struct nlmsgerr e;
		char rest[512];
	} answer;
	int n = fd < 0 ? -errno : ask(fd, SOCK_DESTROY, NLM_F_ACK, &r);

	if (n == 0 &&
	        recv(fd, &answer, sizeof answer, 0) >= (ssize_t)(sizeof answer.h + sizeof answer.e))
		n = answer.e.error;
	return n == -ENOENT ? 0 : n;
}

bool tcp_can_end(void)
{
	struct inet_diag_sockid list[BATCH];
	size_t count;

	return dump(AF_INET, list, &count) == 0 && dump(AF_INET6, list, &count) == 0;
}

int tcp_end_foreign(void)
{
	static const int families[] = {AF_INET, AF_INET6};
	struct inet_diag_sockid list[BATCH];
	size_t count = 0;
	int r = 0;

	for (size_t f = 0; f < 2; f++)
		do {
			r = dump(families[f], list, &count);
			for (size_t i = 0; i < count && r == 0; i++)
				r = destroy(families[f], &list[i]);
		} while (r == 0 && count == BATCH);
	errno = -r;
	return r;
}
