/* SPDX-License-Identifier: MIT
 * fcvm-net: makes a VM's network, then runs the rest of the line in it. See fcvm-net(1). */
#include "become.h"
#include "cleanup.h"
#include "failpoint.h"
#include "json.h"
#include "keeper.h"
#include "msg.h"
#include "net.h"
#include "netmode.h"
#include "opener.h"
#include "opt.h"
#include "rules.h"
#include "status.h"
#include "xio.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <nftables/libnftables.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>

struct opts {
	const char *network, *exposed, *net_name, *ip, *ip6;
	struct strv publish, dns, add_host, alias;
	uint64_t mtu;
	bool json;
};

static const struct opt table[] = {
        {0, "network", "MODE", "rootless, bridged, routed or none (rootless)", OPT_STR,
                offsetof(struct opts, network), false},
        {0, "net-name", "NAME", "the machines of this name reach each other by name", OPT_STR,
                offsetof(struct opts, net_name), false},
        {0, "network-alias", "NAME", "one more name of this machine for them", OPT_LIST,
                offsetof(struct opts, alias), false},
        {0, "ip", "IP", "the machine's own address outside (one that is free)", OPT_STR,
                offsetof(struct opts, ip), false},
        {0, "ip6", "IP", "the same for IPv6", OPT_STR, offsetof(struct opts, ip6), false},
        {'p', "publish", "[[HOSTIP:]HOSTPORT:]PORT[/PROTO]",
                "a port of the guest that is reachable from the host", OPT_LIST,
                offsetof(struct opts, publish), false},
        {0, "publish-exposed", "PLAN", "each port that network.expose of this plan names", OPT_STR,
                offsetof(struct opts, exposed), false},
        {0, "dns", "IP", "a resolver to ask (those of /etc/resolv.conf)", OPT_LIST,
                offsetof(struct opts, dns), false},
        {0, "add-host", "NAME:IP", "a line of the guest's /etc/hosts", OPT_LIST,
                offsetof(struct opts, add_host), false},
        {0, "mtu", "BYTES", "of the guest's link (65520 or the uplink's)", OPT_U64,
                offsetof(struct opts, mtu), false},
        {0, "json", NULL, "print on stdout what was made, before PROGRAM runs", OPT_FLAG,
                offsetof(struct opts, json), false},
        OPT_END,
};

static const struct opt_spec spec = {
        .usage = "fcvm-net [options] [--] PROGRAM [ARG...]",
        .summary = "Makes a virtual machine's network and runs PROGRAM in it.",
        .table = table,
};

static int choose_uplink(struct net *n, const char *word, struct err *e)
{
	static const struct uplink_ops *const all[] = {
	        &uplink_rootless, &uplink_bridged, &uplink_routed, &uplink_none};
	const char *name = netmode(word ? word : "rootless", e);

	for (size_t i = 0; name && i < sizeof all / sizeof *all; i++)
		if (!strcmp(all[i]->name, name)) {
			n->ops = all[i];
			return 0;
		}
	return -1;
}

static int is_address(const char *option, int family, const char *text, struct err *e)
{
	struct in6_addr a;

	if (!text || inet_pton(family, text, &a) == 1)
		return 0;
	return err_set(e, FCVM_EX_USAGE, "%s %s: no IPv%d address", option, text,
	        family == AF_INET ? 4 : 6);
}

/* Drops what begins at `from` and is published already, as podman does. */
static void drop_published(struct ports *p, size_t from)
{
	size_t kept = from;

	for (size_t i = from; i < p->n; i++) {
		bool known = false;

		for (size_t k = 0; k < kept; k++)
			known |= p->v[k].guest == p->v[i].guest && p->v[k].udp == p->v[i].udp;
		if (!known)
			p->v[kept++] = p->v[i];
	}
	p->n = kept;
}

/* On ports of the host that are free. */
static int publish_exposed(struct net *n, const char *path, struct err *e)
{
	auto_json json_t *plan = json_load_at(AT_FDCWD, path, e);
	const json_t *list = json_object_get(json_object_get(plan, "network"), "expose"), *port;
	size_t i, given = n->ports.n;

	if (!plan)
		return -1;
	json_array_foreach(list, i, port)
	{
		const char *text = json_string_value(port);

		if (!text)
			return err_set(e, FCVM_EX_FAIL, "%s: network.expose holds no port", path);
		if (ports_add(&n->ports, text, e) < 0)
			return -1;
	}
	drop_published(&n->ports, given);
	return 0;
}

static int take_options(struct net *n, const struct opts *o, struct err *e)
{
	if (choose_uplink(n, o->network, e) < 0 || is_address("--ip", AF_INET, o->ip, e) < 0 ||
	        is_address("--ip6", AF_INET6, o->ip6, e) < 0 ||
	        peers_options(&n->peers, o->net_name, getenv("FCVM_NAME"), &o->alias, e) < 0)
		return -1;
	n->ip = o->ip;
	n->ip6 = o->ip6;
	if (o->mtu && (o->mtu < 1280 || o->mtu > NET_BIG_MTU))
		return opt_usage(
		        &spec, e, "--mtu %ju: it is 1280 to %d", (uintmax_t)o->mtu, NET_BIG_MTU);
	n->mtu = (unsigned)o->mtu;
	for (size_t i = 0; i < o->publish.n; i++)
		if (ports_add(&n->ports, o->publish.v[i], e) < 0)
			return -1;
	if (o->exposed && publish_exposed(n, o->exposed, e) < 0)
		return -1;
	return resolv_read(&n->resolv, &o->dns, "/etc/resolv.conf", e);
}

static bool privileged(void)
{
	const uint32_t want = 1U << CAP_SYS_ADMIN | 1U << CAP_NET_ADMIN;
	struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct caps[2];

	return syscall(SYS_capget, &head, caps) == 0 && (caps[0].effective & want) == want;
}

/* In the host's network namespace. */
static int outside(struct net *n, struct err *e)
{
	int r = rtnl_open(&n->host, 0);

	if (r < 0)
		return net_error(r, e, "cannot speak to the kernel about links");
	if (n->ops->prepare(n, e) < 0)
		return -1;
	failpoint("prepared");
	/* A guest without an uplink hears of its peers' names, and of no others. */
	if (!n->ops->dns)
		n->resolv.n = 0;
	else if (resolv_open(&n->resolv, e) < 0)
		return -1;
	if (n->peers.network && peers_join(&n->peers, privileged(), e) < 0)
		return -1;
	failpoint("joined");
	if (!privileged() && inside_enter_user_ns(n, e) < 0)
		return -1;
	failpoint("user-ns");
	if (n->ops->before && n->ops->before(n, e) < 0)
		return -1;
	failpoint("before");
	return n->ops->dns ? opener_start(&n->resolv, n->title, n->title_size, &n->opener,
	                             &n->opener_line, e)
	                   : 0;
}

static int inside(struct net *n, struct err *e)
{
	bool peers = n->peers.network;

	failpoint("outside");
	if (peers && peers_switch(&n->peers, e) < 0)
		return -1;
	failpoint("switch");
	if (inside_enter_net_ns(n, e) < 0)
		return -1;
	failpoint("net-ns");
	if (n->ops->start && n->ops->start(n, e) < 0)
		return -1;
	failpoint("uplink");
	if (inside_tap(n, e) < 0)
		return -1;
	failpoint("tap");
	if (peers && peers_link(&n->peers, &n->inside, n->mtu, e) < 0)
		return -1;
	failpoint("peers");
	if (rules_inside(n, e) < 0 || (net_has_dns(n) && inside_listen(n, e) < 0))
		return -1;
	failpoint("rules");
	return 0;
}

/* The keeper and the opener start while the uplink comes up. */
static int wait_for_all(struct net *n, struct err *e)
{
	auto_fd int keeper = -1;

	if (keeper_start(n, &keeper, e) < 0 || (n->ops->finish && n->ops->finish(n, e) < 0))
		return -1;
	failpoint("finished");
	if (n->opener_line >= 0 && helper_wait(n->opener_line, "opener", e) < 0)
		return -1;
	return helper_wait(keeper, "keeper", e);
}

static int tell(const struct net *n, const struct opts *o, struct err *e)
{
	auto_json json_t *doc = document(n, &o->add_host, e);

	return doc ? become_tell(doc, "net.json", o->json, e) : -1;
}

static int run_program(const struct net *n, char **argv, const struct rlimit *files, struct err *e)
{
	char number[16];

	snprintf(number, sizeof number, "%d", n->tap);
	if (setenv("FCVM_TAP_FD", number, 1) < 0 || fcntl(n->tap, F_SETFD, 0) < 0 ||
	        setrlimit(RLIMIT_NOFILE, files) < 0)
		return err_sys(e, "cannot prepare to run %s", argv[0]);
	if (n->uplink_line >= 0 && helper_leave(n->uplink_line, e) < 0)
		return -1;
	return become(argv, e);
}

static int run(struct net *n, const struct opts *o, char **argv, struct err *e)
{
	struct rlimit files, all;

	if (getrlimit(RLIMIT_NOFILE, &files) < 0)
		return err_sys(e, "cannot read the limit of open files");
	all = files;
	all.rlim_cur = all.rlim_max;
	setrlimit(RLIMIT_NOFILE, &all);
	if (take_options(n, o, e) < 0 || outside(n, e) < 0 || inside(n, e) < 0)
		return -1;
	failpoint("inside");
	if (wait_for_all(n, e) < 0)
		return -1;
	failpoint("keeper");
	if (tell(n, o, e) < 0)
		return -1;
	if (n->nft_host)
		nft_ctx_free(n->nft_host); /* the keeper has its socket */
	n->nft_host = NULL;
	publish_notes(&n->ports, n->address);
	failpoint("told");
	return run_program(n, argv, &files, e);
}

int main(int argc, char **argv)
{
	struct net n = {.host = RTNL_NONE,
	        .inside = RTNL_NONE,
	        .tap = -1,
	        .tap_line = -1,
	        .reservation = -1,
	        .dns_udp = {-1, -1},
	        .dns_tcp = {-1, -1},
	        .opener = -1,
	        .opener_line = -1,
	        .uplink_line = -1,
	        .nft_fd = -1,
	        .host_ns = -1,
	        .peers = PEERS_NONE,
	        .ndp = NDP_NONE,
	        .title = argv[0]};
	struct opts o = {0};
	struct err e = {0};
	int i = opt_parse(&spec, argc, argv, &o, &e);

	std_fds_open();
	if (i < 0 && e.status == FCVM_EX_OK)
		return FCVM_EX_OK;
	resolv_init(&n.resolv);
	n.title_size = (size_t)(argv[argc - 1] + strlen(argv[argc - 1]) - argv[0]);
	if (i >= argc)
		opt_usage(&spec, &e, "no program given");
	else if (i >= 0)
		run(&n, &o, argv + i, &e);
	msg_err(&e);
	return become_status(e.status);
}
