/* SPDX-License-Identifier: MIT
 * A member's link to the switch, and the names of members. A name is the word "name/NAME/ADDRESS",
 * reserved in the switch by its member; who looks one up reads the kernel's list of such sockets.
 */
#include "cleanup.h"
#include "guest_net.h"
#include "net.h"
#include "peers.h"
#include "reserve.h"
#include "status.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <sched.h>
#include <string.h>

#define FIRST   2U
#define LAST    65534U
#define NETWORK (10U << 24 | 89U << 16)
#define SWITCH4 (NETWORK + 1)
#define MARK    "@fcvm-net/name/" /* as /proc/net/unix shows it */

/* The kernel gives the link's name to one alone, and with it the address. */
static int take_link(struct rtnl *middle, int own_ns, unsigned mtu, uint32_t *number)
{
	int r = -EADDRNOTAVAIL;

	for (uint32_t i = FIRST; i <= LAST; i++) {
		char name[IFNAMSIZ];

		if ((i & 255) == 0 || (i & 255) == 255)
			continue;
		snprintf(name, sizeof name, "m%u", i);
		r = rtnl_veth(middle, name, NET_PEERS, own_ns, mtu);
		*number = i;
		if (r != -EEXIST)
			return r;
	}
	return r;
}

static int set_up(struct rtnl *middle, struct rtnl *inside, uint32_t number)
{
	struct in_addr own = {htonl(NETWORK + number)}, all = {htonl(NETWORK)},
	               hub = {htonl(SWITCH4)};
	char name[IFNAMSIZ];
	int r, index;

	snprintf(name, sizeof name, "m%u", number);
	index = rtnl_index(middle, name);
	r = index < 0 ? index : rtnl_up(middle, index, 0, NULL);
	if (r == 0)
		r = rtnl_route(middle, index, AF_INET, &own, 32, NULL);
	index = r < 0 ? r : rtnl_index(inside, NET_PEERS);
	r = index < 0 ? index : rtnl_up(inside, index, 0, NULL);
	if (r == 0)
		r = rtnl_address(inside, index, AF_INET, &own, 32);
	if (r == 0)
		r = rtnl_route(inside, index, AF_INET, &hub, 32, NULL);
	return r < 0 ? r : rtnl_route(inside, index, AF_INET, &all, 16, &hub);
}

static int claim(struct peers *p)
{
	for (size_t i = 0; i < p->names.n; i++) {
		auto_free char *word = xasprintf("name/%s/%s", p->names.v[i], p->address);
		int fd = reserve(word);

		/* The same name twice is one name. */
		if (fd >= 0)
			p->claims[p->n_claims++] = fd;
		else if (fd != -EADDRINUSE)
			return fd;
	}
	return 0;
}

static int in_switch(struct peers *p, struct rtnl *inside, int own_ns, unsigned mtu)
{
	struct rtnl middle = RTNL_NONE;
	struct in_addr own;
	uint32_t number = 0;
	int r = rtnl_open(&middle, 0);

	if (r == 0)
		r = take_link(&middle, own_ns, mtu, &number);
	if (r == 0)
		r = set_up(&middle, inside, number);
	rtnl_close(&middle);
	if (r < 0)
		return r;
	own.s_addr = htonl(NETWORK + number);
	inet_ntop(AF_INET, &own, p->address, sizeof p->address);
	p->table = open("/proc/self/net/unix", O_RDONLY | O_CLOEXEC);
	return p->table < 0 ? -errno : claim(p);
}

int peers_link(struct peers *p, struct rtnl *inside, unsigned mtu, struct err *e)
{
	auto_fd int own_ns = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	int r;

	if (own_ns < 0)
		return err_sys(e, "cannot open the network namespace");
	if (setns(p->net_ns, CLONE_NEWNET) < 0)
		return err_sys(e, "cannot enter the network %s", p->network);
	r = in_switch(p, inside, own_ns, mtu);
	if (setns(own_ns, CLONE_NEWNET) < 0)
		return err_sys(e, "cannot come back from the network %s", p->network);
	errno = -r;
	return r < 0 ? err_sys(e, "cannot join the network %s", p->network) : 0;
}

/* One line of the list: whether it is the name, and its address. */
static bool is_name(const char *line, const char *name, struct in_addr *out)
{
	const char *at = strstr(line, MARK);
	size_t n = strlen(name);

	if (!at)
		return false;
	at += strlen(MARK);
	return !strncmp(at, name, n) && at[n] == '/' && inet_pton(AF_INET, at + n + 1, out) == 1;
}

int peers_find(const struct peers *p, const char *name, struct in_addr *out, int max)
{
	int fd = fcntl(p->table, F_DUPFD_CLOEXEC, 3), found = 0;
	auto_file FILE *f = fd < 0 ? NULL : fdopen(fd, "r");
	auto_free char *line = NULL;
	size_t size = 0;
	ssize_t n;

	if (!f) {
		if (fd >= 0)
			close(fd);
		return 0;
	}
	rewind(f);
	while (found < max && (n = getline(&line, &size, f)) > 0) {
		line[n - 1] = 0;
		if (!is_name(line, name, &out[found]))
			continue;
		if (!strcmp(inet_ntop(AF_INET, &out[found], (char[INET_ADDRSTRLEN]){0},
		                    INET_ADDRSTRLEN),
		            p->address))
			inet_pton(AF_INET, GUEST_IP4, &out[found]);
		found++;
	}
	return found;
}
