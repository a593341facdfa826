/* SPDX-License-Identifier: MIT
 * Packets and messages that helpers of the network answer, and how they read a firewall. */
#include "tap.h"

#include <fcvm-net/dns_msg.h>
#include <fcvm-net/firewall.h>
#include <fcvm-net/ndp.h>

#include <arpa/inet.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

/* A query for a name of short labels. */
static size_t query(uint8_t *m, const char *name, uint8_t type)
{
	size_t at = DNS_HEADER;

	memset(m, 0, DNS_QUERY_MAX);
	m[0] = 0x12;
	m[2] = 1;
	m[5] = 1;
	for (const char *end; *name; name = *end ? end + 1 : end) {
		end = strchrnul(name, '.');
		m[at++] = (uint8_t)(end - name);
		memcpy(m + at, name, (size_t)(end - name));
		at += (size_t)(end - name);
	}
	m[at + 2] = type;
	m[at + 4] = 1;
	return at + 5;
}

static void test_names(void)
{
	char name[DNS_NAME_MAX];
	uint8_t m[DNS_QUERY_MAX];
	size_t n = query(m, "Web.Example", 1);

	ok(dns_name(m, n, name), "a name");
	is_str(name, "web.example", "in lower case");
	n = query(m, "a b", 1);
	ok(!dns_name(m, n, name), "no name of a host");
	n = query(m, "", 1);
	ok(!dns_name(m, n, name), "the root");
}

static void test_addresses(void)
{
	struct in_addr v[2] = {{htonl(0x0a590002)}, {htonl(0x0a590003)}};
	uint8_t m[DNS_QUERY_MAX], before[DNS_QUERY_MAX];
	size_t n = query(m, "web", 1), len;

	memcpy(before, m, n);
	len = dns_addresses(m, n, v, 2);
	is_int(len, n + 2 * DNS_RECORD, "two records");
	ok(dns_answers(m, len, before, n), "are the answer to the query");
	is_int(m[7], 2, "and counted");
	is_mem(m + n + 12, 4, "\x0a\x59\0\x02", 4, "the first address");
	is_mem(m + n + 28, 4, "\x0a\x59\0\x03", 4, "the second address");
	n = query(m, "web", 28);
	is_int(dns_addresses(m, n, v, 2), n, "none where IPv6 is asked for");
	is_int(m[3] & 15, 0, "which is no error");
	is_int(m[7], 0, "and counted as none");
}

/* 0 where the checksum is right. */
static unsigned left_over(const uint8_t *packet, size_t size)
{
	uint32_t sum = (uint32_t)size - 40 + 58;

	for (size_t i = 8; i < size; i += 2)
		sum += (uint32_t)packet[i] << 8 | packet[i + 1];
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return ~sum & 0xffff;
}

static void test_ndp(void)
{
	struct ndp n = {.mac = {2, 0, 0, 0, 0, 9}};
	uint8_t packet[72] = {[0] = 0x60, [5] = 32, [6] = 58, [7] = 255, [40] = 135};
	uint8_t out[NDP_ADVERT];
	bool everybody;

	inet_pton(AF_INET6, "2001:db8::5", &n.address);
	inet_pton(AF_INET6, "2001:db8::1", packet + 8);
	memcpy(packet + 48, &n.address, 16);
	ok(ndp_answer(&n, packet, sizeof packet, out, &everybody), "a solicitation is answered");
	ok(!everybody, "to the one that asked");
	is_mem(out + 24, 16, packet + 8, 16, "at its address");
	is_mem(out + 48, 16, &n.address, 16, "about the address");
	is_mem(out + 66, 6, n.mac, 6, "with the MAC address");
	is_int(out[44], 0x40, "as solicited");
	is_int(left_over(out, sizeof out), 0, "with the right checksum");
	memset(packet + 8, 0, 16);
	ok(ndp_answer(&n, packet, 64, out, &everybody) && everybody, "who has no address yet");
	is_mem(out + 24, 2, "\xff\x02", 2, "is told with everybody");
	is_int(out[44], 0, "and unasked");
	ok(!ndp_answer(&n, packet, 63, out, &everybody), "too short");
	packet[7] = 254;
	ok(!ndp_answer(&n, packet, sizeof packet, out, &everybody), "from beyond the link");
	packet[7] = 255;
	packet[63] ^= 1;
	ok(!ndp_answer(&n, packet, sizeof packet, out, &everybody), "another's address");
	packet[63] ^= 1;
	packet[40] = 136;
	ok(!ndp_answer(&n, packet, sizeof packet, out, &everybody), "no solicitation");
}

static void count(void *ctx, const char *family, const char *table, const char *chain)
{
	(void)family;
	(void)table;
	(void)chain;
	++*(int *)ctx;
}

#define CHAIN(policy)                                                                             \
	"{\"chain\":{\"family\":\"ip\",\"table\":\"filter\",\"name\":\"F\",\"hook\":\"forward\"," \
	"\"policy\":\"" policy "\"}}"
#define RULE(expr) \
	",{\"rule\":{\"family\":\"ip\",\"table\":\"filter\",\"chain\":\"F\",\"expr\":[" expr "]}}"
#define LINK(key)                                                                                  \
	"{\"match\":{\"op\":\"==\",\"left\":{\"meta\":{\"key\":\"" key "\"}},\"right\":\"fcvm*\"}" \
	"}"
#define COUNTER "{\"counter\":{\"packets\":0,\"bytes\":0}},"

static void tells(const char *items, int want, const char *what)
{
	char text[2048];
	json_t *doc;
	int n = 0;

	snprintf(text, sizeof text, "{\"nftables\":[%s]}", items);
	doc = json_loads(text, 0, NULL);
	ok(doc != NULL, "the test's own JSON");
	firewall_look(doc, count, &n);
	is_int(n, want, "%s", what);
	json_decref(doc);
}

static void test_firewall(void)
{
	tells(CHAIN("accept"), 0, "a chain that accepts");
	tells(CHAIN("drop"), 1, "a policy of drop");
	tells(CHAIN("accept") RULE("{\"drop\":null}"), 1, "a last rule that drops");
	tells(CHAIN("accept") RULE(COUNTER "{\"reject\":{\"type\":\"icmp\"}}"), 1,
	        "a last rule that rejects");
	tells(CHAIN("accept") RULE(LINK("iifname") ",{\"drop\":null}"), 0, "one that drops some");
	tells(CHAIN("drop") RULE(LINK("iifname") ",{\"accept\":null}"), 1, "one direction allowed");
	tells(CHAIN("drop") RULE(LINK("iifname") "," COUNTER "{\"accept\":null}")
	                RULE(LINK("oifname") ",{\"accept\":null}"),
	        0, "both directions allowed");
	tells("", 0, "no chains");
}

int main(void)
{
	test_names();
	test_addresses();
	test_ndp();
	test_firewall();
	return done();
}
