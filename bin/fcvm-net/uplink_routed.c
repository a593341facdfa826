/* SPDX-License-Identifier: MIT
 * Routed: bridged for IPv4; for IPv6 the machine has an address of the host's own prefix on the
 * wire, and is reached there by everybody: the host routes to it, and the keeper answers for it
 * where neighbours ask who has the address. */
#include "cleanup.h"
#include "failpoint.h"
#include "ndp.h"
#include "reserve.h"
#include "rules.h"
#include "status.h"
#include "veth.h"

#include <arpa/inet.h>
#include <string.h>
#include <sys/random.h>

#define FORWARDING "/proc/sys/net/ipv6/conf/all/forwarding"

static int lacks(struct err *e, const char *why)
{
	return err_set(e, FCVM_EX_FAIL, "--network routed: %s: use --network bridged", why);
}

/* The host's own address towards the IPv6 internet, and its link there. */
static int find_prefix(struct net *n, int *index, struct in6_addr *own, struct err *e)
{
	char text[INET6_ADDRSTRLEN], name[IFNAMSIZ] = "?";
	struct in6_addr world;
	int prefix;

	inet_pton(AF_INET6, "2001:503:ba3e::2:30", &world);
	*index = rtnl_way_out(&n->host, AF_INET6, &world, own);
	if (*index <= 0)
		return lacks(e, "this host has no route to the IPv6 internet");
	if_indextoname((unsigned)*index, name);
	inet_ntop(AF_INET6, own, text, sizeof text);
	if ((own->s6_addr[0] & 0xe0) != 0x20)
		return err_set(e, FCVM_EX_FAIL,
		        "--network routed needs a global IPv6 address (2000::/3), but this host's "
		        "on "
		        "%s is %s: use --network bridged",
		        name, text);
	prefix = rtnl_prefix(&n->host, *index, AF_INET6, own);
	if (prefix < 0 || prefix > 64)
		return err_set(e, FCVM_EX_FAIL,
		        "--network routed needs a whole IPv6 /64, but this host has only %s/%d on "
		        "%s: use --network bridged",
		        text, prefix < 0 ? 128 : prefix, name);
	if (!veth_setting(FORWARDING))
		return err_set(e, FCVM_EX_FAIL,
		        "--network routed: this host forwards no IPv6 packets: run: sysctl "
		        "net.ipv6.conf.%s.accept_ra=2 net.ipv6.conf.all.forwarding=1",
		        name);
	return 0;
}

static bool is_own(const struct in6_addr *a)
{
	auto_fd int fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct sockaddr_in6 to = {.sin6_family = AF_INET6, .sin6_addr = *a};

	return fd >= 0 && bind(fd, (struct sockaddr *)&to, sizeof to) == 0;
}

static int wish(struct net *n, const struct in6_addr *own, struct err *e)
{
	struct in6_addr a;

	inet_pton(AF_INET6, n->ip6, &a);
	if (memcmp(&a, own, 8) != 0) {
		char text[INET6_ADDRSTRLEN];

		memset(&a, 0, sizeof a);
		memcpy(&a, own, 8);
		inet_ntop(AF_INET6, &a, text, sizeof text);
		return err_set(e, FCVM_EX_USAGE, "--ip6 %s: it is not of this host's prefix %s/64",
		        n->ip6, text);
	}
	inet_ntop(AF_INET6, &a, n->address6, sizeof n->address6);
	n->reservation = -EADDRINUSE;
	if (!is_own(&a))
		do
			n->reservation = reserve(n->address6);
		while (n->reservation == -EADDRINUSE && patience_wait(&n->publish.patience));
	if (n->reservation == -EADDRINUSE)
		return err_set(
		        e, FCVM_EX_FAIL, "--ip6 %s: the address is in use on this host", n->ip6);
	return n->reservation < 0 ? net_error(n->reservation, e, "cannot reserve an address") : 0;
}

/* Sixty-four random bits: nobody has them, but for those that were reserved here. */
static int choose(struct net *n, const struct in6_addr *own, struct err *e)
{
	struct in6_addr a = *own;

	do {
		if (getrandom(&a.s6_addr[8], 8, 0) != 8)
			return err_sys(e, "cannot get random numbers");
		inet_ntop(AF_INET6, &a, n->address6, sizeof n->address6);
		n->reservation = reserve(n->address6);
	} while (n->reservation == -EADDRINUSE);
	return n->reservation < 0 ? net_error(n->reservation, e, "cannot reserve an address") : 0;
}

static int prepare(struct net *n, struct err *e)
{
	struct in6_addr own;
	int index, r;

	if (veth_prepare(n, true, e) < 0 || find_prefix(n, &index, &own, e) < 0)
		return -1;
	n->native6 = true;
	if ((n->ip6 ? wish(n, &own, e) : choose(n, &own, e)) < 0)
		return -1;
	inet_pton(AF_INET6, n->address6, &own);
	r = ndp_open(&n->ndp, &n->host, index, &own);
	errno = -r;
	return r < 0 ? err_sys(e, "cannot answer for %s on the link outwards", n->address6) : 0;
}

static int start(struct net *n, struct err *e)
{
	char name[IFNAMSIZ];
	struct in6_addr own;
	int index, r;

	if (veth_link(n, e) < 0)
		return -1;
	inet_pton(AF_INET6, n->address6, &own);
	index = rtnl_index(&n->inside, NET_UPLINK);
	r = index < 0 ? index : rtnl_address(&n->inside, index, AF_INET6, &own, 128);
	snprintf(name, sizeof name, "fcvm%d", n->index);
	index = r < 0 ? r : rtnl_index(&n->host, name);
	do /* the route of a machine before this one goes with its link */
		r = index < 0 ? index : rtnl_route(&n->host, index, AF_INET6, &own, 128, NULL);
	while (r == -EEXIST && patience_wait(&n->publish.patience));
	errno = -r;
	if (r < 0)
		return err_sys(e, "cannot route %s to the machine", n->address6);
	failpoint("host-route");
	return veth_rules(n, e);
}

static void source_rules(const struct net *n, FILE *out)
{
	fprintf(out, "  oifname \"" NET_UPLINK "\" meta nfproto ipv6 snat ip6 to %s\n",
	        n->address6);
}

const struct uplink_ops uplink_routed = {.name = "routed",
        .dns = true,
        .prepare = prepare,
        .before = veth_before,
        .start = start,
        .forward_rules = veth_forward_rules,
        .nat_rules = rules_dnat,
        .source_rules = source_rules};
