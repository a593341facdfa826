/* SPDX-License-Identifier: MIT */
#include "tap.h"

#include <fcvm-net/dns_msg.h>
#include <fcvm-net/ports.h>

#include <arpa/inet.h>
#include <string.h>

/* The ports as text: "[IP ]HOST>GUEST/PROTO", one after the other. */
static void reads(const char *text, const char *want)
{
	struct ports p = {0};
	struct err e = {0};
	char got[1024] = "", ip[INET6_ADDRSTRLEN];

	if (ports_add(&p, text, &e) < 0)
		snprintf(got, sizeof got, "%s", e.text);
	for (size_t i = 0; i < p.n && strlen(got) < 400; i++) {
		const struct port *port = &p.v[i];

		if (port->family != AF_UNSPEC)
			snprintf(got + strlen(got), 64, "%s ",
			        inet_ntop(port->family, &port->ip, ip, sizeof ip));
		snprintf(got + strlen(got), 32, "%d>%d/%s,", port->host, port->guest,
		        port->udp ? "udp" : "tcp");
	}
	is_str(got, want, "%s", text);
	ports_free(&p);
}

static void refuses(const char *text)
{
	struct ports p = {0};
	struct err e = {0};

	ok(ports_add(&p, text, &e) < 0 && e.status && p.n == 0, "'%.60s': %s", text, e.text);
	ports_free(&p);
}

static void test_forms(void)
{
	reads("80", "0>80/tcp,");
	reads("8080:80", "8080>80/tcp,");
	reads("8080:80/udp", "8080>80/udp,");
	reads("1-3:11-13/tcp", "1>11/tcp,2>12/tcp,3>13/tcp,");
	reads("7-8", "0>7/tcp,0>8/tcp,");
	reads("192.0.2.2:8080:80", "192.0.2.2 8080>80/tcp,");
	reads("127.0.0.1::80", "127.0.0.1 0>80/tcp,");
	reads("[::1]:53:53/udp", "::1 53>53/udp,");
	reads("1:1,2:2/udp", "1>1/tcp,2>2/udp,");
	reads("80:80,80:80/udp", "80>80/tcp,80>80/udp,");
	reads("80:80,127.0.0.1:80:80", "80>80/tcp,127.0.0.1 80>80/tcp,");
	reads("1:1,1:2", "--publish 1:2: the host's port is given twice");
	reads("1-2:5-7", "--publish 1-2:5-7: the two ranges differ in length");
}

static void test_refusals(void)
{
	static const char *const bad[] = {"", ",", "80,", "0", "65536", "-1", "a", "80:", ":80",
	        "::80", "80/", "80/sctp", "80/tcp/udp", "1:2:3:4", "::1:80:80", "[::1]",
	        "[::1]80:80", "[::1]:80", "[127.0.0.1:80:80", "300.1.1.1:80:80", "host:80:80",
	        "5-4", "1-2:3", "1:3-4", "1--2", "+80", " 80", "80 ", "0x50", "127.0.0.1:80",
	        "1-5000", "[::1]:80:80:80"};
	char longer[4096];

	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		refuses(bad[i]);
	memset(longer, '1', sizeof longer - 1);
	longer[sizeof longer - 1] = 0;
	refuses(longer);
}

/* A failure leaves what was there. */
static void test_keeps(void)
{
	struct ports p = {0};
	struct err e = {0};

	ports_add(&p, "1:1", &e);
	is_int(ports_add(&p, "2:2,bad", &e), -1, "the second word is bad");
	is_int(p.n, 1, "the first call's port is still there");
	is_int(ports_add(&p, "1:9", &e), -1, "the same host port again");
	ports_free(&p);
}

static void test_dns(void)
{
	static const uint8_t query[] = {
	        0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 3, 'a', 'B', 'c', 0, 0, 1, 0, 1};
	static const uint8_t pointer[] = {0, 0, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0xc0, 12, 0, 1, 0, 1};
	uint8_t answer[sizeof query], long_name[300] = {0, 0, 1, 0, 0, 1};
	size_t n = sizeof query;

	is_int(dns_question(query, n), n, "a question ends with the message");
	for (size_t cut = 0; cut < n; cut++)
		if (dns_question(query, cut) != -1)
			ok(false, "cut at %zu", cut);
	is_int(dns_question(pointer, sizeof pointer), -1, "no pointer in a question");
	for (size_t i = DNS_HEADER; i < sizeof long_name; i++)
		long_name[i] = 1;
	is_int(dns_question(long_name, sizeof long_name), -1, "a name without an end");
	ok(dns_is_query(query, n), "a query");
	memcpy(answer, query, n);
	ok(!dns_answers(answer, n, query, n), "a query is no answer");
	answer[2] |= 0x80;
	answer[14] = 'b';
	ok(dns_answers(answer, n, query, n), "an answer, in other case");
	ok(!dns_is_query(answer, n), "an answer is no query");
	answer[13] = 'x';
	ok(!dns_answers(answer, n, query, n), "the answer to another question");
	memcpy(answer, query, n);
	is_int(dns_failure(answer, n), n, "a failure has the question");
	ok(dns_answers(answer, n, query, n) && (answer[3] & 15) == 2, "and says so");
	is_int(dns_id(answer), 0x1234, "under its id");
}

int main(void)
{
	test_forms();
	test_refusals();
	test_keeps();
	test_dns();
	return done();
}
