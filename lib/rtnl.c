/* SPDX-License-Identifier: MIT */
#include "rtnl.h"

#include <errno.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

struct request {
	struct nlmsghdr h;
	union {
		struct ifinfomsg link;
		struct ifaddrmsg address;
		struct rtmsg route;
	};
	uint8_t room[512];
};

union answer {
	struct nlmsghdr h;
	uint8_t bytes[16384];
};

int rtnl_open(struct rtnl *r, uint32_t groups)
{
	struct sockaddr_nl me = {.nl_family = AF_NETLINK, .nl_groups = groups};

	r->seq = 0;
	r->fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	if (r->fd < 0)
		return -errno;
	if (bind(r->fd, (struct sockaddr *)&me, sizeof me) < 0) {
		int e = errno;

		rtnl_close(r);
		return -e;
	}
	return 0;
}

void rtnl_close(struct rtnl *r)
{
	if (r->fd >= 0)
		close(r->fd);
	r->fd = -1;
}

static void begin(struct request *q, uint16_t type, uint16_t flags, size_t body)
{
	memset(q, 0, sizeof *q);
	q->h.nlmsg_len = (uint32_t)NLMSG_LENGTH(body);
	q->h.nlmsg_type = type;
	q->h.nlmsg_flags = (uint16_t)(NLM_F_REQUEST | flags);
}

/* Returns the attribute, for end_nest(). All callers add a few short ones: there is room. */
static struct rtattr *add(struct request *q, uint16_t type, const void *data, size_t n)
{
	struct rtattr *a = (struct rtattr *)((uint8_t *)q + NLMSG_ALIGN(q->h.nlmsg_len));

	a->rta_type = type;
	a->rta_len = (uint16_t)RTA_LENGTH(n);
	if (n)
		memcpy(RTA_DATA(a), data, n);
	q->h.nlmsg_len = (uint32_t)(NLMSG_ALIGN(q->h.nlmsg_len) + RTA_ALIGN(a->rta_len));
	return a;
}

static void end_nest(struct request *q, struct rtattr *a)
{
	a->rta_len = (uint16_t)((uint8_t *)q + q->h.nlmsg_len - (uint8_t *)a);
}

/* Sends, and receives the answer to this request into a; other messages on the way are news of a
 * group and passed over. With `ack`, the answer is only whether it was done. length: of what came,
 * which is more than one message where a list was asked for; may be NULL. */
static int talk(struct rtnl *r, struct request *q, union answer *a, bool ack, ssize_t *length)
{
	struct sockaddr_nl kernel = {.nl_family = AF_NETLINK};
	ssize_t n;

	q->h.nlmsg_seq = ++r->seq;
	if (ack)
		q->h.nlmsg_flags |= NLM_F_ACK;
	if (sendto(r->fd, q, q->h.nlmsg_len, 0, (struct sockaddr *)&kernel, sizeof kernel) < 0)
		return -errno;
	for (;;) {
		n = recv(r->fd, a, sizeof *a, 0);
		if (n < 0 && (errno == EINTR || errno == ENOBUFS))
			continue;
		if (n < 0)
			return -errno;
		if (!NLMSG_OK(&a->h, (uint32_t)n) || a->h.nlmsg_seq != r->seq)
			continue;
		if (length)
			*length = n;
		if (a->h.nlmsg_type != NLMSG_ERROR)
			return 0;
		return ((struct nlmsgerr *)NLMSG_DATA(&a->h))->error;
	}
}

static int do_it(struct rtnl *r, struct request *q)
{
	union answer a;

	return talk(r, q, &a, true, NULL);
}

static size_t size_of(int family)
{
	return family == AF_INET ? 4 : 16;
}

static void by_name(struct request *q, const char *name)
{
	begin(q, RTM_GETLINK, 0, sizeof q->link);
	add(q, IFLA_IFNAME, name, strlen(name) + 1);
}

int rtnl_index(struct rtnl *r, const char *name)
{
	struct request q;
	union answer a;
	int e;

	by_name(&q, name);
	e = talk(r, &q, &a, false, NULL);
	if (e < 0)
		return e;
	return ((struct ifinfomsg *)NLMSG_DATA(&a.h))->ifi_index;
}

/* The attribute's data in a message with a body of that size, or NULL if missing or short. */
static const void *attribute(const struct nlmsghdr *h, size_t body, uint16_t type, size_t size)
{
	int left = (int)h->nlmsg_len - (int)NLMSG_SPACE(body);
	const struct rtattr *at = (const struct rtattr *)((const uint8_t *)h + NLMSG_SPACE(body));

	for (; RTA_OK(at, left); at = RTA_NEXT(at, left))
		if (at->rta_type == type && RTA_PAYLOAD(at) >= size)
			return RTA_DATA(at);
	return NULL;
}

/* All about a link: 0 or -errno. */
static int get_link(struct rtnl *r, int index, union answer *a)
{
	struct request q;

	begin(&q, RTM_GETLINK, 0, sizeof q.link);
	q.link.ifi_index = index;
	return talk(r, &q, a, false, NULL);
}

int rtnl_mtu(struct rtnl *r, int index)
{
	const uint32_t *mtu;
	union answer a;
	int e = get_link(r, index, &a);

	if (e < 0)
		return e;
	mtu = attribute(&a.h, sizeof(struct ifinfomsg), IFLA_MTU, sizeof *mtu);
	return mtu && *mtu < 1 << 20 ? (int)*mtu : -EINVAL;
}

int rtnl_mac(struct rtnl *r, int index, uint8_t mac[6])
{
	const void *address;
	union answer a;
	int e = get_link(r, index, &a);

	if (e < 0)
		return e;
	address = attribute(&a.h, sizeof(struct ifinfomsg), IFLA_ADDRESS, 6);
	if (((struct ifinfomsg *)NLMSG_DATA(&a.h))->ifi_type != ARPHRD_ETHER || !address)
		return -ENOTSUP;
	memcpy(mac, address, 6);
	return 0;
}

/* Looks for the address in one message of the list. */
static bool has_prefix(
        const struct nlmsghdr *h, int index, int family, const void *address, int *prefix)
{
	const struct ifaddrmsg *m = NLMSG_DATA(h);
	const void *own;

	if (h->nlmsg_type != RTM_NEWADDR || m->ifa_index != (uint32_t)index ||
	        m->ifa_family != family)
		return false;
	own = attribute(h, sizeof *m, IFA_LOCAL, size_of(family));
	if (!own) /* IPv6 */
		own = attribute(h, sizeof *m, IFA_ADDRESS, size_of(family));
	if (!own || memcmp(own, address, size_of(family)) != 0)
		return false;
	*prefix = m->ifa_prefixlen;
	return true;
}

int rtnl_prefix(struct rtnl *r, int index, int family, const void *address)
{
	int prefix = -EADDRNOTAVAIL;
	struct request q;
	union answer a;
	ssize_t n = 0;
	int e;

	begin(&q, RTM_GETADDR, NLM_F_DUMP, sizeof q.address);
	q.address.ifa_family = (uint8_t)family;
	for (e = talk(r, &q, &a, false, &n); e == 0;) {
		uint32_t left = (uint32_t)n;

		for (struct nlmsghdr *h = &a.h; NLMSG_OK(h, left); h = NLMSG_NEXT(h, left)) {
			if (h->nlmsg_type == NLMSG_DONE)
				return prefix;
			if (h->nlmsg_type == NLMSG_ERROR)
				return ((struct nlmsgerr *)NLMSG_DATA(h))->error;
			has_prefix(h, index, family, address, &prefix);
		}
		n = recv(r->fd, &a, sizeof a, 0);
		e = n < 0 && errno != EINTR ? -errno : 0;
		n = n < 0 ? 0 : n;
	}
	return e;
}

int rtnl_up(struct rtnl *r, int index, unsigned mtu, const uint8_t *mac)
{
	uint32_t m = mtu;
	struct request q;

	begin(&q, RTM_NEWLINK, 0, sizeof q.link);
	q.link.ifi_index = index;
	q.link.ifi_flags = q.link.ifi_change = IFF_UP;
	if (mtu)
		add(&q, IFLA_MTU, &m, sizeof m);
	if (mac)
		add(&q, IFLA_ADDRESS, mac, 6);
	return do_it(r, &q);
}

int rtnl_queue(struct rtnl *r, int index, unsigned packets)
{
	uint32_t n = packets;
	struct request q;

	begin(&q, RTM_NEWLINK, 0, sizeof q.link);
	q.link.ifi_index = index;
	add(&q, IFLA_TXQLEN, &n, sizeof n);
	return do_it(r, &q);
}

int rtnl_address(struct rtnl *r, int index, int family, const void *address, int prefix)
{
	uint32_t flags = IFA_F_NODAD | IFA_F_PERMANENT;
	struct request q;

	begin(&q, RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, sizeof q.address);
	q.address.ifa_family = (uint8_t)family;
	q.address.ifa_prefixlen = (uint8_t)prefix;
	q.address.ifa_index = (uint32_t)index;
	add(&q, IFA_LOCAL, address, size_of(family));
	add(&q, IFA_ADDRESS, address, size_of(family));
	add(&q, IFA_FLAGS, &flags, sizeof flags);
	return do_it(r, &q);
}

int rtnl_route(struct rtnl *r, int index, int family, const void *destination, int prefix,
        const void *gateway)
{
	uint32_t oif = (uint32_t)index;
	struct request q;

	begin(&q, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL, sizeof q.route);
	q.route.rtm_family = (uint8_t)family;
	q.route.rtm_dst_len = (uint8_t)prefix;
	q.route.rtm_table = RT_TABLE_MAIN;
	q.route.rtm_protocol = RTPROT_STATIC;
	q.route.rtm_scope = gateway || family != AF_INET ? RT_SCOPE_UNIVERSE : RT_SCOPE_LINK;
	q.route.rtm_type = RTN_UNICAST;
	if (prefix)
		add(&q, RTA_DST, destination, size_of(family));
	if (gateway)
		add(&q, RTA_GATEWAY, gateway, size_of(family));
	add(&q, RTA_OIF, &oif, sizeof oif);
	return do_it(r, &q);
}

int rtnl_default_route(struct rtnl *r, int index, int family, const void *gateway)
{
	return rtnl_route(r, index, family, NULL, 0, gateway);
}

int rtnl_veth(struct rtnl *r, const char *name, const char *peer, int netns_fd, unsigned mtu)
{
	struct rtattr *info, *data, *other;
	struct ifinfomsg none = {0};
	uint32_t m = mtu, ns = (uint32_t)netns_fd;
	struct request q;

	begin(&q, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, sizeof q.link);
	add(&q, IFLA_IFNAME, name, strlen(name) + 1);
	add(&q, IFLA_MTU, &m, sizeof m);
	info = add(&q, IFLA_LINKINFO, NULL, 0);
	add(&q, IFLA_INFO_KIND, "veth", 4);
	data = add(&q, IFLA_INFO_DATA, NULL, 0);
	other = add(&q, VETH_INFO_PEER, &none, sizeof none);
	add(&q, IFLA_IFNAME, peer, strlen(peer) + 1);
	add(&q, IFLA_MTU, &m, sizeof m);
	add(&q, IFLA_NET_NS_FD, &ns, sizeof ns);
	end_nest(&q, other);
	end_nest(&q, data);
	end_nest(&q, info);
	return do_it(r, &q);
}

/* The route of a packet to the destination, with these RTM_F_*. 0 or -errno. */
static int get_route(
        struct rtnl *r, int family, const void *destination, unsigned flags, union answer *a)
{
	struct request q;

	begin(&q, RTM_GETROUTE, 0, sizeof q.route);
	q.route.rtm_family = (uint8_t)family;
	q.route.rtm_dst_len = (uint8_t)(8 * size_of(family));
	q.route.rtm_flags = flags;
	add(&q, RTA_DST, destination, size_of(family));
	return talk(r, &q, a, false, NULL);
}

int rtnl_way_prefix(struct rtnl *r, int family, const void *destination)
{
	union answer a;
	int e = get_route(r, family, destination, RTM_F_FIB_MATCH, &a);

	return e < 0 ? e : ((struct rtmsg *)NLMSG_DATA(&a.h))->rtm_dst_len;
}

int rtnl_way_out(struct rtnl *r, int family, const void *destination, void *source)
{
	const uint32_t *oif;
	const void *from;
	union answer a;
	int e = get_route(r, family, destination, 0, &a);

	memset(source, 0, size_of(family));
	if (e < 0)
		return e;
	if (((struct rtmsg *)NLMSG_DATA(&a.h))->rtm_type != RTN_UNICAST)
		return -ENETUNREACH;
	oif = attribute(&a.h, sizeof(struct rtmsg), RTA_OIF, sizeof *oif);
	from = attribute(&a.h, sizeof(struct rtmsg), RTA_PREFSRC, size_of(family));
	if (from)
		memcpy(source, from, size_of(family));
	return oif ? (int)*oif : -ENETUNREACH;
}
