/* SPDX-License-Identifier: MIT
 * RFC 4861. Packets are read and written behind the Ethernet header. */
#include "ndp.h"
#include "cleanup.h"

#include <linux/filter.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if_arp.h>
#include <string.h>

#define ICMPV6    58
#define SOLICIT   135
#define ADVERT    136
#define HEADER    40
#define ASKED     (HEADER + 24) /* the shortest solicitation */
#define TARGET    (HEADER + 8)
#define FLAGS     (HEADER + 4)
#define SOLICITED 0x40
#define TURN      32

static uint32_t word(const struct in6_addr *a, int i)
{
	uint32_t w;

	memcpy(&w, &a->s6_addr[i * 4], sizeof w);
	return ntohl(w);
}

/* Solicitations for this address, so that the rest of the host's traffic costs nothing. */
static int filter(int fd, const struct in6_addr *a)
{
	struct sock_filter code[] = {
	        BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 6),
	        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ICMPV6, 0, 11),
	        BPF_STMT(BPF_LD | BPF_B | BPF_ABS, HEADER),
	        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SOLICIT, 0, 9),
	        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, TARGET),
	        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, word(a, 0), 0, 7),
	        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, TARGET + 4),
	        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, word(a, 1), 0, 5),
	        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, TARGET + 8),
	        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, word(a, 2), 0, 3),
	        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, TARGET + 12),
	        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, word(a, 3), 0, 1),
	        BPF_STMT(BPF_RET | BPF_K, 256),
	        BPF_STMT(BPF_RET | BPF_K, 0),
	};
	struct sock_fprog program = {.len = sizeof code / sizeof *code, .filter = code};

	return setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program);
}

/* The host's link listens to the address's group, and switches that look at group membership pass
 * its packets on. */
static int join_group(int index, const struct in6_addr *a)
{
	auto_fd int fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ipv6_mreq group = {.ipv6mr_interface = (unsigned)index};

	memcpy(&group.ipv6mr_multiaddr, "\xff\x02\0\0\0\0\0\0\0\0\0\x01\xff", 13);
	memcpy(&group.ipv6mr_multiaddr.s6_addr[13], &a->s6_addr[13], 3);
	if (fd < 0 || setsockopt(fd, IPPROTO_IPV6, IPV6_ADD_MEMBERSHIP, &group, sizeof group) < 0)
		return -errno;
	return steal_fd(&fd);
}

int ndp_open(struct ndp *n, struct rtnl *host, int index, const struct in6_addr *address)
{
	struct sockaddr_ll at = {
	        .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_IPV6), .sll_ifindex = index};
	auto_fd int fd = -1;
	int r = rtnl_mac(host, index, n->mac);

	if (r == -ENOTSUP) /* a tunnel or the like, where nobody asks */
		return 0;
	if (r < 0)
		return r;
	n->index = index;
	n->address = *address;
	/* Deaf until it is filtered. */
	fd = socket(AF_PACKET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0 || filter(fd, address) < 0 || bind(fd, (struct sockaddr *)&at, sizeof at) < 0)
		return -errno;
	n->group = join_group(index, address);
	if (n->group < 0)
		return n->group;
	n->packets = steal_fd(&fd);
	return 0;
}

static uint16_t checksum(const uint8_t *packet, size_t size)
{
	uint32_t sum = (uint32_t)(size - HEADER) + ICMPV6;

	for (size_t i = 8; i < size; i += 2) /* the two addresses, and the message */
		sum += (uint32_t)packet[i] << 8 | packet[i + 1];
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

bool ndp_answer(const struct ndp *n, const uint8_t *packet, size_t size, uint8_t out[NDP_ADVERT],
        bool *everybody)
{
	static const uint8_t all_nodes[16] = {0xff, 0x02, [15] = 1}, nobody[16];
	uint16_t sum;

	/* Only a neighbour's packet still has all of its hops. */
	if (size < ASKED || packet[6] != ICMPV6 || packet[7] != 255 || packet[HEADER] != SOLICIT ||
	        packet[HEADER + 1] != 0 || memcmp(packet + TARGET, &n->address, 16) != 0)
		return false;
	/* Who asks without an address wants to take ours. */
	*everybody = !memcmp(packet + 8, nobody, 16);
	memset(out, 0, NDP_ADVERT);
	out[0] = 6 << 4;
	out[5] = NDP_ADVERT - HEADER;
	out[6] = ICMPV6;
	out[7] = 255;
	memcpy(out + 8, &n->address, 16);
	memcpy(out + 24, *everybody ? all_nodes : packet + 8, 16);
	out[HEADER] = ADVERT;
	out[FLAGS] = *everybody ? 0 : SOLICITED;
	memcpy(out + TARGET, &n->address, 16);
	out[ASKED] = 2; /* the target's link-layer address, one unit of eight bytes */
	out[ASKED + 1] = 1;
	memcpy(out + ASKED + 2, n->mac, 6);
	sum = checksum(out, NDP_ADVERT);
	out[HEADER + 2] = (uint8_t)(sum >> 8);
	out[HEADER + 3] = (uint8_t)sum;
	return true;
}

void ndp_receive(const struct ndp *n)
{
	for (int i = 0; i < TURN; i++) {
		uint8_t packet[256], out[NDP_ADVERT];
		struct sockaddr_ll from;
		socklen_t len = sizeof from;
		bool everybody;
		ssize_t size = recvfrom(
		        n->packets, packet, sizeof packet, 0, (struct sockaddr *)&from, &len);

		if (size < 0)
			return;
		if (from.sll_pkttype == PACKET_OUTGOING || from.sll_halen != 6 ||
		        !ndp_answer(n, packet, (size_t)size, out, &everybody))
			continue;
		if (everybody)
			memcpy(from.sll_addr, "\x33\x33\0\0\0\x01", 6);
		from.sll_protocol = htons(ETH_P_IPV6);
		/* One that cannot be sent is asked for again. */
		(void)!sendto(n->packets, out, sizeof out, MSG_DONTWAIT, (struct sockaddr *)&from,
		        sizeof from);
	}
}
