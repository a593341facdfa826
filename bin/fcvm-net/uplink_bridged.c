/* SPDX-License-Identifier: MIT
 * Bridged: a veth pair fcvmN/uplink with a /30 of 172.30.0.0/16 and a /126 of fdfc:30::/112, routed
 * and masqueraded by the host. The host's link goes with the namespace, the host's table with the
 * keeper that owns it. */
#include "cleanup.h"
#include "json.h"
#include "msg.h"
#include "net.h"
#include "rules.h"
#include "status.h"
#include "xio.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <nftables/libnftables.h>
#include <string.h>

#define LINKS 16384 /* /30s in a /16 */
#define ALL4  "172.30.0.0/16"
#define ALL6  "fdfc:30::/112"

static bool setting_is_on(const char *path)
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
	n->way6 = setting_is_on("/proc/sys/net/ipv6/conf/all/forwarding");
}

static int prepare(struct net *n, struct err *e)
{
	int mtu;

	if (geteuid() != 0)
		return err_set(
		        e, FCVM_EX_FAIL, "--network bridged needs root: use --network rootless");
	if (!setting_is_on("/proc/sys/net/ipv4/ip_forward"))
		return err_set(e, FCVM_EX_FAIL,
		        "--network bridged: this host forwards no packets: run: sysctl "
		        "net.ipv4.ip_forward=1");
	find_way(n, &mtu);
	if (!n->mtu)
		n->mtu = mtu < 1280 ? 1280 : mtu > NET_BIG_MTU ? NET_BIG_MTU : (unsigned)mtu;
	if (publish_native(&n->ports, e) < 0)
		return -1;
	return publish_rest(&n->publish, &n->ports, false, e);
}

/* The address of host end (1) or namespace end (2). */
static void address4(const struct net *n, int end, struct in_addr *a)
{
	a->s_addr = htonl(172U << 24 | 30U << 16 | ((unsigned)n->index * 4 + (unsigned)end));
}

static void address6(const struct net *n, int end, struct in6_addr *a)
{
	uint16_t low = htons((uint16_t)(n->index * 4 + end));

	inet_pton(AF_INET6, "fdfc:30::", a);
	memcpy(&a->s6_addr[14], &low, 2);
}

/* The kernel gives the name to one alone, and with it the addresses. */
static int take_link(struct net *n, char *name, size_t size, struct err *e)
{
	auto_fd int netns = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	int r = -EEXIST;

	if (netns < 0)
		return err_sys(e, "cannot open the network namespace");
	for (n->index = 0; n->index < LINKS; n->index++) {
		snprintf(name, size, "fcvm%d", n->index);
		/* fcvm0 is also the TAP's name, in its own namespace: no harm. */
		r = rtnl_veth(&n->host, name, NET_UPLINK, netns, n->mtu);
		if (r != -EEXIST)
			break;
	}
	if (r == -EEXIST)
		return err_set(
		        e, FCVM_EX_FAIL, "no free link: fcvm0 to fcvm%d are in use", LINKS - 1);
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

	address4(n, end, &v4);
	address6(n, end, &v6);
	e = index < 0 ? index : rtnl_up(r, index, 0, NULL);
	if (e == 0)
		e = rtnl_address(r, index, AF_INET, &v4, 30);
	/* A host without IPv6 refuses, and does without. */
	if (e == 0 && n->ipv6)
		rtnl_address(r, index, AF_INET6, &v6, 126);
	if (e < 0 || end == 1)
		return e;
	address4(n, 1, &v4);
	address6(n, 1, &v6);
	e = rtnl_default_route(r, index, AF_INET, &v4);
	if (e == 0 && n->ipv6 && n->way6)
		rtnl_default_route(r, index, AF_INET6, &v6);
	return e;
}

static char *host_table(const struct net *n, const char *name)
{
	struct in6_addr host6;
	struct in_addr host4;
	char own4[INET_ADDRSTRLEN], own6[INET6_ADDRSTRLEN];

	address4(n, 1, &host4);
	address6(n, 1, &host6);
	inet_ntop(AF_INET, &host4, own4, sizeof own4);
	inet_ntop(AF_INET6, &host6, own6, sizeof own6);
	return xasprintf("table inet %s {\n"
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
	                 " }\n"
	                 " chain postrouting {\n"
	                 "  type nat hook postrouting priority srcnat; policy accept;\n"
	                 "  ip saddr %s oifname != { \"lo\", \"%s\" } masquerade\n"
	                 "  ip6 saddr %s oifname != { \"lo\", \"%s\" } masquerade\n"
	                 " }\n"
	                 "}\n",
	        name, name, n->address, name, own4, name, own6, name, n->address, name, n->address6,
	        name, name, name, name, n->address, name, n->address6, name);
}

/* Whether this is a chain that drops what is forwarded and that no rule has allowed. */
static bool drops_forwarded(const json_t *chain)
{
	const char *hook = json_string_value(json_object_get(chain, "hook"));
	const char *policy = json_string_value(json_object_get(chain, "policy"));

	return hook && policy && !strcmp(hook, "forward") && !strcmp(policy, "drop");
}

/* One table cannot let pass what another drops, so the user must hear of it. */
static void warn_of_policy(struct nft_ctx *ctx, const char *name)
{
	auto_json json_t *doc = NULL;
	const json_t *item;
	size_t i;

	nft_ctx_output_set_flags(ctx, NFT_CTX_OUTPUT_JSON | NFT_CTX_OUTPUT_TERSE);
	if (nft_run_cmd_from_buffer(ctx, "list chains") == 0)
		doc = json_loads(nft_ctx_get_output_buffer(ctx), 0, NULL);
	nft_ctx_output_set_flags(ctx, 0);
	json_array_foreach(json_object_get(doc, "nftables"), i, item)
	{
		const json_t *chain = json_object_get(item, "chain");
		const char *family = json_string_value(json_object_get(chain, "family"));
		const char *table = json_string_value(json_object_get(chain, "table"));
		const char *own = json_string_value(json_object_get(chain, "name"));

		if (!chain || !family || !table || !own || !drops_forwarded(chain))
			continue;
		msg("the host's firewall may drop what %s sends: allow it: nft 'insert rule %s %s "
		    "%s iifname \"fcvm*\" accept' and with oifname",
		        name, family, table, own);
	}
}

static int start(struct net *n, struct err *e)
{
	auto_free char *table = NULL;
	char name[IFNAMSIZ];
	struct in6_addr v6;
	struct in_addr v4;
	int r;

	if (take_link(n, name, sizeof name, e) < 0)
		return -1;
	address4(n, 2, &v4);
	address6(n, 2, &v6);
	inet_ntop(AF_INET, &v4, n->address, sizeof n->address);
	inet_ntop(AF_INET6, &v6, n->address6, sizeof n->address6);
	address4(n, 1, &v4);
	inet_ntop(AF_INET, &v4, n->host_ip, sizeof n->host_ip);
	r = set_up(&n->host, name, n, 1);
	if (r == 0)
		r = set_up(&n->inside, NET_UPLINK, n, 2);
	if (r < 0) {
		errno = -r;
		return err_sys(e, "cannot set up the link %s", name);
	}
	/* The rules before the first packet: nothing of the guest runs yet. */
	table = host_table(n, name);
	if (rules_run(n->nft_host, table, "rules of the host", e) < 0)
		return -1;
	warn_of_policy(n->nft_host, name);
	return 0;
}

/* The context's socket must be one of the host's namespace. */
static int before(struct net *n, struct err *e)
{
	struct nft_ctx *ctx = NULL;

	if (rules_open(&ctx, &n->nft_fd, e) < 0)
		return -1;
	n->nft_host = ctx;
	return 0;
}

static void forward_rules(const struct net *n, FILE *out)
{
	struct in_addr own;
	char host[INET_ADDRSTRLEN];

	address4(n, 1, &own);
	inet_ntop(AF_INET, &own, host, sizeof host);
	fprintf(out,
	        "  iifname \"" NET_TAP "\" ip daddr " ALL4 " ip daddr != %s reject\n"
	        "  iifname \"" NET_TAP "\" ip6 daddr " ALL6 " reject\n",
	        host);
}

const struct uplink_ops uplink_bridged = {.name = "bridged",
        .dns = true,
        .prepare = prepare,
        .before = before,
        .start = start,
        .forward_rules = forward_rules,
        .nat_rules = rules_dnat};
