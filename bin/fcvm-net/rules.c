/* SPDX-License-Identifier: MIT */
#include "rules.h"
#include "cleanup.h"
#include "status.h"

#include <fcntl.h>
#include <linux/netlink.h>
#include <nftables/libnftables.h>
#include <string.h>
#include <sys/socket.h>

static int lowest_free(void)
{
	auto_fd int fd = dup(STDIN_FILENO);

	return fd;
}

/* libnftables does not say which descriptor its socket is: it is the lowest one that was free. */
static int open_context(struct nft_ctx **ctx)
{
	int fd = lowest_free(), domain = 0, protocol = 0;
	socklen_t len = sizeof(int);

	if (fd < 0)
		return -1;
	*ctx = nft_ctx_new(NFT_CTX_DEFAULT);
	if (!*ctx || getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &len) < 0 ||
	        getsockopt(fd, SOL_SOCKET, SO_PROTOCOL, &protocol, &len) < 0 ||
	        domain != AF_NETLINK || protocol != NETLINK_NETFILTER)
		return -1;
	return fcntl(fd, F_SETFD, FD_CLOEXEC) < 0 ? -1 : fd;
}

int rules_open(struct nft_ctx **ctx, int *fd, struct err *e)
{
	*ctx = NULL;
	*fd = open_context(ctx);
	if (*fd >= 0 && nft_ctx_buffer_error(*ctx) == 0 && nft_ctx_buffer_output(*ctx) == 0)
		return 0;
	if (*ctx)
		nft_ctx_free(*ctx);
	*ctx = NULL;
	return err_set(e, FCVM_EX_FAIL, "cannot speak to the kernel about firewall rules");
}

int rules_run(struct nft_ctx *ctx, const char *text, const char *what, struct err *e)
{
	const char *why;

	if (nft_run_cmd_from_buffer(ctx, text) == 0)
		return 0;
	/* "Error: Could not process rule: Operation not permitted", then the rule itself. */
	why = nft_ctx_get_error_buffer(ctx);
	if (!strncmp(why, "Error: ", 7))
		why += 7;
	return err_set(
	        e, FCVM_EX_FAIL, "cannot make the %s: %.*s", what, (int)strcspn(why, "\n"), why);
}

/* Frames: what does not come from the guest as it was made goes no further. The ingress hook sees
 * ARP as well, which the tables of layer 3 do not. */
static void guest_rules(FILE *out)
{
	fputs("table netdev fcvm {\n"
	      " chain guest {\n"
	      "  type filter hook ingress device \"" NET_TAP "\" priority -500; policy drop;\n"
	      "  ether saddr != " GUEST_MAC " drop\n"
	      "  ether type arp arp saddr ether " GUEST_MAC " arp saddr ip { " GUEST_IP4
	      ", 0.0.0.0 } accept\n"
	      /* pasta connects wherever it is told to, and to a socket these mean this host:
	       * also as IPv4 in the clothes of IPv6. */
	      "  ip daddr { 0.0.0.0/8, 127.0.0.0/8 } drop\n"
	      "  ip6 daddr { ::/96, ::ffff:0:0/96, ::ffff:0:0:0/96 } drop\n"
	      "  ip saddr " GUEST_IP4 " accept\n"
	      "  ip6 saddr " GUEST_IP6 " accept\n"
	      "  ip6 saddr fe80::/64 meta l4proto ipv6-icmp accept\n"
	      "  ip6 saddr :: meta l4proto ipv6-icmp accept\n"
	      " }\n"
	      "}\n",
	        out);
}

static void input_rules(const struct net *n, FILE *out)
{
	fputs(" chain input {\n"
	      "  type filter hook input priority filter; policy drop;\n"
	      "  iifname \"lo\" accept\n"
	      "  ct state established,related accept\n"
	      "  icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } accept\n"
	      "  icmp type echo-request accept\n"
	      "  icmpv6 type echo-request accept\n",
	        out);
	if (net_has_dns(n))
		fputs("  iifname \"" NET_TAP "\" ip daddr " GUEST_GATEWAY4
		      " meta l4proto { tcp, udp } th dport 53 accept\n"
		      "  iifname \"" NET_TAP "\" ip6 daddr " GUEST_GATEWAY6
		      " meta l4proto { tcp, udp } th dport 53 accept\n",
		        out);
	/* An answer at once, instead of a guest that waits. */
	fputs("  meta l4proto tcp reject with tcp reset\n"
	      "  meta l4proto udp reject\n"
	      " }\n",
	        out);
}

static void forward_rules(const struct net *n, FILE *out)
{
	fputs(" chain forward {\n"
	      "  type filter hook forward priority filter; policy drop;\n"
	      "  ct state established,related accept\n"
	      "  ct state invalid drop\n"
	      "  iifname { \"" NET_UPLINK "\", \"" NET_PEERS "\" } oifname \"" NET_TAP
	      "\" ct status dnat accept\n",
	        out);
	if (n->peers.network)
		fputs("  iifname \"" NET_TAP "\" oifname \"" NET_PEERS "\" accept\n", out);
	if (n->ops->forward_rules)
		n->ops->forward_rules(n, out);
	fputs("  iifname \"" NET_TAP "\" oifname \"" NET_UPLINK "\" accept\n"
	      " }\n",
	        out);
}

static void nat_rules(const struct net *n, FILE *out)
{
	fputs(" chain prerouting {\n"
	      "  type nat hook prerouting priority dstnat; policy accept;\n",
	        out);
	if (n->ops->nat_rules)
		n->ops->nat_rules(n, out);
	/* Machines of one network know each other by addresses that are theirs outside alone. */
	if (n->peers.network)
		fprintf(out, "  iifname \"" NET_PEERS "\" ip daddr %s dnat ip to " GUEST_IP4 "\n",
		        n->peers.address);
	fputs(" }\n"
	      " chain postrouting {\n"
	      "  type nat hook postrouting priority srcnat; policy accept;\n",
	        out);
	if (n->ops->source_rules)
		n->ops->source_rules(n, out);
	fputs("  oifname { \"" NET_UPLINK "\", \"" NET_PEERS "\" } masquerade\n"
	      " }\n",
	        out);
}

static void dnat(const struct net *n, const char *family, const char *own, const char *guest,
        bool udp, FILE *out)
{
	const char *proto = udp ? "udp" : "tcp", *comma = "";

	for (size_t i = 0; i < n->ports.n; i++) {
		const struct port *port = &n->ports.v[i];

		if (!port->own || port->udp != udp)
			continue;
		if (!*comma)
			fprintf(out,
			        "  iifname \"" NET_UPLINK
			        "\" %s daddr %s dnat %s addr . port to %s dport map { ",
			        family, own, family, proto);
		fprintf(out, "%s%d : %s . %d", comma, port->host, guest, port->guest);
		comma = ", ";
	}
	if (*comma)
		fputs(" }\n", out);
}

void rules_dnat(const struct net *n, FILE *out)
{
	for (int udp = 0; udp < 2; udp++) {
		dnat(n, "ip", n->address, GUEST_IP4, udp, out);
		if (*n->address6)
			dnat(n, "ip6", n->address6, GUEST_IP6, udp, out);
	}
}

int rules_inside(const struct net *n, struct err *e)
{
	struct nft_ctx *ctx = NULL;
	auto_free char *text = NULL;
	size_t size;
	FILE *out;
	int r, fd;

	out = open_memstream(&text, &size);
	if (!out)
		return err_sys(e, "out of memory");
	guest_rules(out);
	fputs("table inet fcvm {\n", out);
	input_rules(n, out);
	forward_rules(n, out);
	nat_rules(n, out);
	fputs("}\n", out);
	if (fclose(out) != 0)
		return err_sys(e, "out of memory");
	if (rules_open(&ctx, &fd, e) < 0)
		return -1;
	r = rules_run(ctx, text, "rules of the VM's network", e);
	nft_ctx_free(ctx);
	return r;
}
