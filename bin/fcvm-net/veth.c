/* SPDX-License-Identifier: MIT */
#include "veth.h"
#include "cleanup.h"
#include "clock.h"
#include "failpoint.h"
#include "firewall.h"
#include "rules.h"
#include "status.h"
#include "xio.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>

#define TURN_MS 5000
#define LINKS   16384 /* /30s in a /16 */
#define SPREAD  64    /* collisions */
#define ALL4    "172.30.0.0/16"
#define ALL6    "fdfc:30::/112"

bool veth_setting(const char *path)
{
	auto_free char *text = NULL;
	size_t n;

	return read_file_at(AT_FDCWD, path, 64, &text, &n) == 0 && text[0] != '0';
}

static void find_way(struct net *n, int *mtu)
{
	struct in6_addr to, from;
	int index;

	inet_pton(AF_INET, "198.41.0.4", &to);
	index = rtnl_way_out(&n->host, AF_INET, &to, &from);
	if (index <= 0) {
		inet_pton(AF_INET6, "2001:503:ba3e::2:30", &to);
		index = rtnl_way_out(&n->host, AF_INET6, &to, &from);
	}
	*mtu = index > 0 ? rtnl_mtu(&n->host, index) : 1500;
	/* The namespace always leads to the host, which knows the rest. */
	n->way4 = true;
	n->way6 = veth_setting("/proc/sys/net/ipv6/conf/all/forwarding");
}

/* The address of host end (1) or namespace end (2). */
static void address4(int index, int end, struct in_addr *a)
{
	a->s_addr = htonl(172U << 24 | 30U << 16 | ((unsigned)index * 4 + (unsigned)end));
}

static void address6(int index, int end, struct in6_addr *a)
{
	uint16_t low = htons((uint16_t)(index * 4 + end));

	inet_pton(AF_INET6, "fdfc:30::", a);
	memcpy(&a->s6_addr[14], &low, 2);
}

/* The N of the link whose own address the user asked for, or -1. */
static int index_of(int family, const char *text)
{
	struct in6_addr wanted, own;
	struct in_addr own4;

	inet_pton(family, text, &wanted);
	for (int i = 0; i < LINKS; i++) {
		address4(i, 2, &own4);
		address6(i, 2, &own);
		if (family == AF_INET ? !memcmp(&own4, &wanted, sizeof own4)
		                      : !memcmp(&own, &wanted, sizeof own))
			return i;
	}
	return -1;
}

static int take_wishes(struct net *n, bool native6, struct err *e)
{
	const char *ip6 = native6 ? NULL : n->ip6;

	n->index = -1;
	if (n->ip && (n->index = index_of(AF_INET, n->ip)) < 0)
		return err_set(e, FCVM_EX_USAGE,
		        "--ip %s: with --network %s it is 172.30.X.Y, where Y is 2, 6, 10 and so "
		        "on up to 254",
		        n->ip, n->ops->name);
	if (ip6) {
		int index = index_of(AF_INET6, ip6);

		if (index < 0 || (n->ip && index != n->index))
			return err_set(e, FCVM_EX_USAGE,
			        "--ip6 %s: with --network %s it is fdfc:30::XY, where XY is the "
			        "last half of the --ip in hexadecimal digits",
			        ip6, n->ops->name);
		n->index = index;
	}
	return 0;
}

int veth_prepare(struct net *n, bool native6, struct err *e)
{
	int mtu;

	if (geteuid() != 0)
		return err_set(e, FCVM_EX_FAIL, "--network %s needs root: use --network rootless",
		        n->ops->name);
	if (!veth_setting("/proc/sys/net/ipv4/ip_forward"))
		return err_set(e, FCVM_EX_FAIL,
		        "--network %s: this host forwards no packets: run: sysctl "
		        "net.ipv4.ip_forward=1",
		        n->ops->name);
	if (take_wishes(n, native6, e) < 0)
		return -1;
	find_way(n, &mtu);
	if (!n->mtu)
		n->mtu = mtu < 1280 ? 1280 : mtu > NET_BIG_MTU ? NET_BIG_MTU : (unsigned)mtu;
	if (publish_native(&n->ports, e) < 0)
		return -1;
	return publish_rest(&n->publish, &n->ports, false, e);
}

/* The context's socket must be one of the host's namespace. */
int veth_before(struct net *n, struct err *e)
{
	struct nft_ctx *ctx = NULL;

	if (rules_open(&ctx, &n->nft_fd, e) < 0)
		return -1;
	n->nft_host = ctx;
	n->host_ns = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	if (n->host_ns < 0)
		return err_sys(e, "cannot open the network namespace");
	return 0;
}

/* Whether the host knows these addresses as somebody else's: the machine would hide them from it.
 */
static bool foreign(struct net *n, int index)
{
	struct in_addr a;

	address4(index, 2, &a);
	return rtnl_way_prefix(&n->host, AF_INET, &a) > 0;
}

static int no_link(const struct net *n, bool one, bool known, struct err *e)
{
	const char *option = n->ip ? "--ip" : "--ip6", *address = n->ip ? n->ip : n->ip6;

	if (one && known)
		return err_set(e, FCVM_EX_FAIL, "%s %s: this host has a route to such an address",
		        option, address);
	if (one)
		return err_set(e, FCVM_EX_FAIL, "%s %s: another machine has this address", option,
		        address);
	if (known)
		return err_set(e, FCVM_EX_FAIL,
		        "--network %s: this host has routes of its own to all of " ALL4
		        ": use --network rootless",
		        n->ops->name);
	return err_set(e, FCVM_EX_FAIL, "no free link: fcvm0 to fcvm%d are in use", LINKS - 1);
}

/* The kernel gives the name to one alone, and with it the addresses. fcvm0 is also the TAP's name,
 * in a namespace of its own: no harm. Who finds one taken may be one of many who start at the same
 * time: they step on by chance, farther each time, so that they do not all ask for the next; in the
 * end each link is tried. */
static int take_link(struct net *n, char *name, size_t size, struct err *e)
{
	auto_fd int netns = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	bool one = n->index >= 0, known = false;
	int r = -EEXIST, tries = one ? 1 : LINKS + SPREAD, step = 0;

	if (netns < 0)
		return err_sys(e, "cannot open the network namespace");
	n->index = one ? n->index : 0;
	snprintf(name, size, "fcvm%d", n->index);
	while (one && rtnl_index(&n->host, name) >= 0 && patience_wait(&n->publish.patience))
		;
	for (int i = 0; i < tries; i++) {
		uint32_t chance = 0;

		n->index = (n->index + step) % LINKS;
		snprintf(name, size, "fcvm%d", n->index);
		step = 1;
		if (!foreign(n, n->index)) {
			r = rtnl_veth(&n->host, name, NET_UPLINK, netns, n->mtu);
			if (r != -EEXIST)
				break;
		} else if (rtnl_index(&n->host, name) < 0) {
			known = true; /* and no machine's */
			continue;
		}
		if (i < SPREAD && getrandom(&chance, sizeof chance, 0) > 0)
			step += (int)(chance % (unsigned)(i + 1));
	}
	if (r == -EEXIST)
		return no_link(n, one, known, e);
	if (r < 0) {
		errno = -r;
		return err_sys(e, "cannot make the link %s", name);
	}
	return 0;
}

static int set_up(struct rtnl *r, const char *name, const struct net *n, int end)
{
	int index = rtnl_index(r, name), e;
	struct in6_addr v6;
	struct in_addr v4;

	address4(n->index, end, &v4);
	address6(n->index, end, &v6);
	e = index < 0 ? index : rtnl_up(r, index, 0, NULL);
	if (e == 0)
		e = rtnl_address(r, index, AF_INET, &v4, 30);
	/* A host without IPv6 refuses, and does without. */
	if (e == 0 && n->ipv6)
		rtnl_address(r, index, AF_INET6, &v6, 126);
	if (e < 0 || end == 1)
		return e;
	address4(n->index, 1, &v4);
	address6(n->index, 1, &v6);
	e = rtnl_default_route(r, index, AF_INET, &v4);
	if (e == 0 && n->ipv6 && n->way6)
		rtnl_default_route(r, index, AF_INET6, &v6);
	return e;
}

int veth_link(struct net *n, struct err *e)
{
	char name[IFNAMSIZ];
	struct in6_addr v6;
	struct in_addr v4;
	int r;

	if (take_link(n, name, sizeof name, e) < 0)
		return -1;
	failpoint("link-made");
	address4(n->index, 2, &v4);
	address6(n->index, 2, &v6);
	inet_ntop(AF_INET, &v4, n->address, sizeof n->address);
	if (!*n->address6)
		inet_ntop(AF_INET6, &v6, n->address6, sizeof n->address6);
	address4(n->index, 1, &v4);
	inet_ntop(AF_INET, &v4, n->host_ip, sizeof n->host_ip);
	r = set_up(&n->host, name, n, 1);
	if (r == 0)
		r = set_up(&n->inside, NET_UPLINK, n, 2);
	errno = -r;
	return r < 0 ? err_sys(e, "cannot set up the link %s", name) : 0;
}

static void host_table(const struct net *n, const char *name, FILE *out)
{
	char own4[INET_ADDRSTRLEN], own6[INET6_ADDRSTRLEN];
	struct in6_addr host6;
	struct in_addr host4;

	address4(n->index, 1, &host4);
	address6(n->index, 1, &host6);
	inet_ntop(AF_INET, &host4, own4, sizeof own4);
	inet_ntop(AF_INET6, &host6, own6, sizeof own6);
	fprintf(out,
	        "table inet %s {\n"
	        " flags owner\n"
	        " chain input {\n"
	        "  type filter hook input priority filter; policy accept;\n"
	        "  iifname \"%s\" ip saddr != %s drop\n"
	        "  iifname \"%s\" ip daddr " ALL4 " ip daddr != %s drop\n"
	        "  iifname \"%s\" ip6 daddr " ALL6 " ip6 daddr != %s drop\n"
	        " }\n"
	        " chain forward {\n"
	        "  type filter hook forward priority filter; policy accept;\n"
	        "  iifname \"%s\" ip saddr != %s drop\n"
	        "  iifname \"%s\" ip6 saddr != %s drop\n"
	        "  iifname \"%s\" ip daddr { " ALL4 ", 127.0.0.0/8 } drop\n"
	        "  iifname \"%s\" ip6 daddr " ALL6 " drop\n"
	        "  iifname \"%s\" accept\n"
	        "  oifname \"%s\" accept\n"
	        " }\n",
	        name, name, n->address, name, own4, name, own6, name, n->address, name, n->address6,
	        name, name, name, name);
	fprintf(out,
	        " chain postrouting {\n"
	        "  type nat hook postrouting priority srcnat; policy accept;\n"
	        "  ip saddr %s oifname != { \"lo\", \"%s\" } masquerade\n",
	        n->address, name);
	if (!n->native6)
		fprintf(out, "  ip6 saddr %s oifname != { \"lo\", \"%s\" } masquerade\n",
		        n->address6, name);
	fputs(" }\n}\n", out);
}

/* libnftables reads the ruleset again for as long as it changes meanwhile: a hundred machines that
 * start at once would do nothing else, so they take turns. One that hangs in its turn holds nobody
 * up for long, and the kernel ends the turn of one that dies. */
static void begin_turn(int host_ns)
{
	int64_t end = clock_ms() + TURN_MS;

	while (flock(host_ns, LOCK_EX | LOCK_NB) < 0 && clock_ms() < end)
		poll(NULL, 0, 2);
}

/* The rules before the first packet: nothing of the guest runs yet. */
int veth_rules(struct net *n, struct err *e)
{
	auto_free char *table = NULL;
	char name[IFNAMSIZ];
	size_t size;
	FILE *out = open_memstream(&table, &size);
	int r;

	if (!out)
		return err_sys(e, "out of memory");
	snprintf(name, sizeof name, "fcvm%d", n->index);
	host_table(n, name, out);
	if (fclose(out) != 0)
		return err_sys(e, "out of memory");
	begin_turn(n->host_ns);
	r = rules_run(n->nft_host, table, "rules of the host", e);
	failpoint("host-rules");
	if (r == 0)
		firewall_warn(n->nft_host, name);
	flock(n->host_ns, LOCK_UN);
	return r;
}

void veth_forward_rules(const struct net *n, FILE *out)
{
	char host[INET_ADDRSTRLEN];
	struct in_addr own;

	address4(n->index, 1, &own);
	inet_ntop(AF_INET, &own, host, sizeof host);
	fprintf(out,
	        "  iifname \"" NET_TAP "\" ip daddr " ALL4 " ip daddr != %s reject\n"
	        "  iifname \"" NET_TAP "\" ip6 daddr " ALL6 " reject\n",
	        host);
}
