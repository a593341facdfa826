/* SPDX-License-Identifier: MIT
 * The namespace and what is in it whatever the uplink: the TAP with its addresses, and the sockets
 * that wait for the guest's DNS queries. */
#include "cleanup.h"
#include "net.h"
#include "status.h"
#include "taphold.h"
#include "xio.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <sched.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

/* The TAP's end of the link. Always the same, so that the neighbour cache of a guest that was
 * restored from a snapshot is right. */
static const uint8_t tap_mac[6] = {0x02, 0xfc, 0, 0, 0, 0x02};

static int write_map(const char *path, unsigned id)
{
	char text[48];

	snprintf(text, sizeof text, "%u %u 1", id, id);
	return write_existing(path, text);
}

int inside_enter_user_ns(struct net *n, struct err *e)
{
	unsigned uid = geteuid(), gid = getegid();
	int r;

	if (n->peers.user_ns >= 0) {
		/* That of the network's first member, which was this user's as well. */
		if (setns(n->peers.user_ns, CLONE_NEWUSER) < 0)
			return err_sys(e, "cannot enter the user namespace of the network %s",
			        n->peers.network);
		n->own_user_ns = true;
		return 0;
	}
	if (unshare(CLONE_NEWUSER) < 0) {
		err_sys(e, "cannot make a user namespace");
		if (errno == EPERM || errno == ENOSPC)
			err_set(e, FCVM_EX_FAIL,
			        "cannot make a user namespace: this host does not let users: as "
			        "root, "
			        "run: sysctl user.max_user_namespaces=10000 (and "
			        "kernel.unprivileged_userns_clone=1 where that exists)");
		return -1;
	}
	r = write_existing("/proc/self/setgroups", "deny");
	if (r == 0)
		r = write_map("/proc/self/uid_map", uid);
	if (r == 0)
		r = write_map("/proc/self/gid_map", gid);
	if (r < 0)
		return net_error(r, e, "cannot set up the user namespace");
	n->own_user_ns = true;
	if (n->peers.network)
		n->peers.user_ns = open("/proc/self/ns/user", O_RDONLY | O_CLOEXEC);
	if (n->peers.network && n->peers.user_ns < 0)
		return err_sys(e, "cannot open the user namespace");
	return 0;
}

/* Settings of the namespace alone: /proc/sys/net shows those of the process that looks. */
static int settings(struct net *n, struct err *e)
{
	static const struct {
		const char *path, *value;
	} all[] = {
	        {"/proc/sys/net/ipv4/ip_forward", "1"},
	        {"/proc/sys/net/ipv6/conf/all/forwarding", "1"},
	        {"/proc/sys/net/ipv6/conf/default/accept_dad", "0"},
	        {"/proc/sys/net/ipv6/conf/default/accept_ra", "0"},
	};

	n->ipv6 = access("/proc/sys/net/ipv6", F_OK) == 0;
	for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
		int r = i > 0 && !n->ipv6 ? 0 : write_existing(all[i].path, all[i].value);

		if (r < 0) {
			errno = -r;
			return err_sys(
			        e, "cannot set %s in the VM's network namespace", all[i].path);
		}
	}
	return 0;
}

int inside_enter_net_ns(struct net *n, struct err *e)
{
	int r;

	if (unshare(CLONE_NEWNET) < 0)
		return err_sys(e, "cannot make a network namespace");
	r = rtnl_open(&n->inside, 0);
	if (r < 0)
		return net_error(r, e, "cannot speak to the kernel about links");
	r = rtnl_up(&n->inside, 1, 0, NULL);
	if (r < 0)
		return net_error(r, e, "cannot bring up the loopback link");
	return settings(n, e);
}

static int no_tun(struct err *e)
{
	err_sys(e, "cannot open /dev/net/tun");
	if (errno == EACCES || errno == EPERM)
		err_set(e, FCVM_EX_FAIL,
		        "cannot open /dev/net/tun: Permission denied: as root, run: chmod 666 "
		        "/dev/net/tun");
	else if (errno == ENOENT || errno == ENODEV)
		err_set(e, FCVM_EX_FAIL,
		        "cannot open /dev/net/tun: no such device: as root, run: modprobe tun");
	return -1;
}

static int address(struct net *n, int index, int family, const char *text, int prefix)
{
	struct in6_addr a;

	inet_pton(family, text, &a);
	return rtnl_address(&n->inside, index, family, &a, prefix);
}

int inside_tap(struct net *n, struct err *e)
{
	struct ifreq ifr = {.ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR};
	auto_fd int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);
	struct sockaddr_un line;
	socklen_t size = taphold_address(&line);
	int index, r;

	if (fd < 0)
		return no_tun(e);
	snprintf(ifr.ifr_name, sizeof ifr.ifr_name, "%s", NET_TAP);
	if (ioctl(fd, TUNSETIFF, &ifr) < 0)
		return err_sys(e, "cannot make the TAP device");
	index = rtnl_index(&n->inside, NET_TAP);
	r = index < 0 ? index : rtnl_up(&n->inside, index, n->mtu, tap_mac);
	if (r == 0)
		r = address(n, index, AF_INET, GUEST_GATEWAY4, 24);
	if (r == 0 && n->ipv6)
		r = address(n, index, AF_INET6, GUEST_GATEWAY6, 64);
	if (r < 0)
		return net_error(r, e, "cannot set up the TAP device");
	n->tap = fcntl(fd, F_DUPFD_CLOEXEC, INHERITED_FD_MIN);
	n->tap_line = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	return n->tap < 0 || n->tap_line < 0 ||
	                       bind(n->tap_line, (struct sockaddr *)&line, size) < 0 ||
	                       listen(n->tap_line, 4) < 0
	               ? err_sys(e, "cannot keep the TAP device")
	               : 0;
}

static int listen_dns(int family, int type, struct err *e)
{
	auto_fd int fd = socket(family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(53)};
	struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons(53)};
	int r;

	inet_pton(AF_INET, GUEST_GATEWAY4, &v4.sin_addr);
	inet_pton(AF_INET6, GUEST_GATEWAY6, &v6.sin6_addr);
	if (fd < 0)
		return err_sys(e, "cannot make a socket for DNS");
	r = family == AF_INET ? bind(fd, (struct sockaddr *)&v4, sizeof v4)
	                      : bind(fd, (struct sockaddr *)&v6, sizeof v6);
	if (r < 0 || (type == SOCK_STREAM && listen(fd, 64) < 0))
		return err_sys(e, "cannot listen for DNS queries");
	return steal_fd(&fd);
}

int inside_listen(struct net *n, struct err *e)
{
	static const int families[2] = {AF_INET, AF_INET6};

	for (int i = 0; i < (n->ipv6 ? 2 : 1); i++) {
		n->dns_udp[i] = listen_dns(families[i], SOCK_DGRAM, e);
		n->dns_tcp[i] = n->dns_udp[i] < 0 ? -1 : listen_dns(families[i], SOCK_STREAM, e);
		if (n->dns_tcp[i] < 0)
			return -1;
	}
	return 0;
}
