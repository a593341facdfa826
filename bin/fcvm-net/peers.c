/* SPDX-License-Identifier: MIT
 * Joining a network. Its socket's name is in the host's network namespace, and has the user's id in
 * it; both sides look at the other's credentials as well, because anybody can take any name. */
#include "peers.h"
#include "cleanup.h"
#include "clock.h"
#include "fds.h"
#include "name.h"
#include "net.h"
#include "reserve.h"
#include "status.h"
#include "xio.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <string.h>
#include <sys/time.h>

#define JOIN_MS  10000 /* a member that is just starting may not answer at once */
#define AGAIN_MS 5
#define WAITING  128
#define SWITCH4  "10.89.0.1"
#define OVERFLOW 65534 /* what a user namespace shows of users that it does not know */

static void add_name(struct peers *p, const char *name)
{
	strv_add(&p->names, name);
	for (char *c = p->names.v[p->names.n - 1]; *c; c++)
		*c = (char)tolower((unsigned char)*c);
}

int peers_options(struct peers *p, const char *network, const char *name,
        const struct strv *aliases, struct err *e)
{
	if (!network && aliases->n)
		return err_set(e, FCVM_EX_USAGE, "--network-alias goes with --net-name");
	if (!network)
		return 0;
	if (!name_valid(network))
		return err_set(e, FCVM_EX_USAGE, "--net-name %s: " NAME_RULE, network);
	if (aliases->n >= PEERS_NAMES)
		return err_set(
		        e, FCVM_EX_USAGE, "--network-alias: more than %d of them", PEERS_NAMES - 1);
	p->network = network;
	if (name && name_valid(name))
		add_name(p, name);
	for (size_t i = 0; i < aliases->n; i++) {
		if (!name_valid(aliases->v[i]))
			return err_set(
			        e, FCVM_EX_USAGE, "--network-alias %s: " NAME_RULE, aliases->v[i]);
		add_name(p, aliases->v[i]);
	}
	return 0;
}

static bool is_mine(int sock, uid_t *uid)
{
	struct ucred who;
	socklen_t len = sizeof who;

	if (getsockopt(sock, SOL_SOCKET, SO_PEERCRED, &who, &len) < 0)
		return false;
	*uid = who.uid;
	return who.uid == geteuid();
}

/* 1: joined; 0: nobody is there any more, or not yet. */
static int ask(
        struct peers *p, bool privileged, const struct sockaddr_un *a, socklen_t len, struct err *e)
{
	auto_fd int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	struct timeval limit = {.tv_sec = JOIN_MS / 1000};
	int fds[FDS_MAX];
	uid_t uid = 0;
	size_t n_fds;
	ssize_t n;
	char byte;

	if (fd < 0)
		return err_sys(e, "cannot make a socket");
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
	if (connect(fd, (const struct sockaddr *)a, len) < 0)
		return errno == ECONNREFUSED ? 0 : err_sys(e, "--net-name %s", p->network);
	if (!is_mine(fd, &uid))
		return err_set(e, FCVM_EX_FAIL,
		        "--net-name %s: a process of user %u has taken the name", p->network, uid);
	n = fds_receive(fd, &byte, 1, fds, &n_fds, 0);
	if (n == -EAGAIN)
		return err_set(e, FCVM_EX_FAIL,
		        "--net-name %s: its members do not answer: stop one that hangs",
		        p->network);
	if (n <= 0)
		return 0;
	if (n_fds != (privileged ? 2 : 3)) {
		for (size_t i = 0; i < n_fds; i++)
			close(fds[i]);
		return err_set(
		        e, FCVM_EX_FAIL, "--net-name %s: its member said nonsense", p->network);
	}
	p->socket = fds[0];
	p->net_ns = fds[1];
	p->user_ns = privileged ? -1 : fds[2];
	return 1;
}

static int begin(struct peers *p, const struct sockaddr_un *a, socklen_t len)
{
	auto_fd int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0 || bind(fd, (const struct sockaddr *)a, len) < 0 || listen(fd, WAITING) < 0)
		return -errno;
	p->socket = steal_fd(&fd);
	return 0;
}

int peers_join(struct peers *p, bool privileged, struct err *e)
{
	int64_t end = clock_ms() + JOIN_MS;
	auto_free char *word = NULL;
	struct sockaddr_un a;
	socklen_t len;
	int r;

	if (!privileged && geteuid() == OVERFLOW)
		return err_set(e, FCVM_EX_FAIL,
		        "--net-name: not for user %d, who stands for "
		        "everybody that is not known",
		        OVERFLOW);
	word = xasprintf(
	        "network/%s%u.%u/%s", privileged ? "" : "u", geteuid(), getegid(), p->network);
	len = reserve_name(&a, word);
	while (clock_ms() < end) {
		r = begin(p, &a, len);
		if (r != -EADDRINUSE)
			return r < 0 ? net_error(r, e, "cannot begin a network") : 0;
		r = ask(p, privileged, &a, len, e);
		if (r != 0)
			return r < 0 ? -1 : 0;
		poll(NULL, 0, AGAIN_MS);
	}
	return err_set(e, FCVM_EX_FAIL, "--net-name %s: it is neither to be had nor to be joined",
	        p->network);
}

/* A router for addresses of single machines; it leads nowhere else. */
int peers_switch(struct peers *p, struct err *e)
{
	struct rtnl r = RTNL_NONE;
	struct in_addr own;
	int s;

	if (p->net_ns >= 0)
		return 0;
	if (unshare(CLONE_NEWNET) < 0)
		return err_sys(e, "cannot make a network namespace");
	p->net_ns = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	if (p->net_ns < 0)
		return err_sys(e, "cannot open the network namespace");
	inet_pton(AF_INET, SWITCH4, &own);
	s = rtnl_open(&r, 0);
	if (s == 0)
		s = rtnl_up(&r, 1, 0, NULL);
	if (s == 0)
		s = rtnl_address(&r, 1, AF_INET, &own, 32);
	if (s == 0)
		s = write_existing("/proc/sys/net/ipv4/ip_forward", "1");
	rtnl_close(&r);
	return s < 0 ? net_error(s, e, "cannot set up the network of --net-name") : 0;
}

void peers_admit(const struct peers *p)
{
	for (;;) {
		struct sockaddr_un from;
		socklen_t len = sizeof from;
		auto_fd int fd = accept4(
		        p->socket, (struct sockaddr *)&from, &len, SOCK_CLOEXEC | SOCK_NONBLOCK);
		const int fds[] = {p->socket, p->net_ns, p->user_ns};
		uid_t uid;

		if (fd < 0)
			return;
		if (is_mine(fd, &uid))
			fds_send(fd, "N", 1, fds, p->user_ns < 0 ? 2 : 3);
	}
}
