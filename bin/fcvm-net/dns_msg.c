/* SPDX-License-Identifier: MIT */
#include "dns_msg.h"

#include <string.h>

#define FLAG_ANSWER 0x80
#define SERVFAIL    2
#define TYPE_A      1
#define CLASS_IN    1

ssize_t dns_question(const uint8_t *m, size_t n)
{
	size_t at = DNS_HEADER;

	if (n < DNS_HEADER || m[4] != 0 || m[5] != 1)
		return -1;
	for (;;) {
		if (at >= n || at - DNS_HEADER > 254)
			return -1;
		if (m[at] == 0)
			break;
		if (m[at] > 63) /* a pointer has nothing to point to yet */
			return -1;
		at += 1U + m[at];
	}
	at += 5; /* the root label, type and class */
	return at <= n ? (ssize_t)at : -1;
}

bool dns_is_query(const uint8_t *m, size_t n)
{
	return n <= DNS_QUERY_MAX && dns_question(m, n) > 0 && !(m[2] & FLAG_ANSWER);
}

static uint8_t lower(uint8_t c)
{
	return c >= 'A' && c <= 'Z' ? c + 32 : c;
}

bool dns_answers(const uint8_t *answer, size_t n, const uint8_t *query, size_t q_len)
{
	if (n < DNS_HEADER || !(answer[2] & FLAG_ANSWER))
		return false;
	/* A resolver that does not like the query may answer without the question. */
	if (answer[4] == 0 && answer[5] == 0)
		return n == DNS_HEADER && answer[3] & 0xf;
	if (dns_question(answer, n) != (ssize_t)q_len)
		return false;
	for (size_t i = DNS_HEADER; i < q_len; i++)
		if (lower(answer[i]) != lower(query[i]))
			return false;
	return true;
}

uint16_t dns_id(const uint8_t *m)
{
	return (uint16_t)(m[0] << 8 | m[1]);
}

void dns_set_id(uint8_t *m, uint16_t id)
{
	m[0] = (uint8_t)(id >> 8);
	m[1] = (uint8_t)id;
}

static bool of_host_name(uint8_t c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.';
}

bool dns_name(const uint8_t *m, size_t question, char out[DNS_NAME_MAX])
{
	size_t n = 0;

	for (size_t at = DNS_HEADER; at < question && m[at]; at += 1U + m[at]) {
		if (n)
			out[n++] = '.';
		for (size_t i = 1; i <= m[at]; i++) {
			uint8_t c = lower(m[at + i]);

			if (!of_host_name(c))
				return false;
			out[n++] = (char)c;
		}
	}
	out[n] = 0;
	return n > 0;
}

static void put16(uint8_t *m, unsigned v)
{
	m[0] = (uint8_t)(v >> 8);
	m[1] = (uint8_t)v;
}

/* The header of an answer without records. */
static void answer_header(uint8_t *m, uint8_t status)
{
	m[2] = (uint8_t)((m[2] & 0x79) | FLAG_ANSWER); /* opcode and "recursion desired" stay */
	m[3] = 0x80 | status;                          /* recursion is available */
	for (int i = 6; i < DNS_HEADER; i++)
		m[i] = 0;
}

size_t dns_addresses(uint8_t *m, size_t question, const struct in_addr *v, int n)
{
	const uint8_t *type = m + question - 4;
	size_t at = question;

	if (type[0] != 0 || type[1] != TYPE_A || type[2] != 0 || type[3] != CLASS_IN)
		n = 0;
	answer_header(m, 0);
	put16(m + 6, (unsigned)n);
	for (int i = 0; i < n; i++, at += DNS_RECORD) {
		put16(m + at, 0xc000 | DNS_HEADER); /* the question's name */
		put16(m + at + 2, TYPE_A);
		put16(m + at + 4, CLASS_IN);
		put16(m + at + 6, 0); /* not to be kept: members come and go */
		put16(m + at + 8, 0);
		put16(m + at + 10, 4);
		memcpy(m + at + 12, &v[i], 4);
	}
	return at;
}

size_t dns_failure(uint8_t *m, size_t n)
{
	ssize_t end = dns_question(m, n);

	answer_header(m, SERVFAIL);
	return end > 0 ? (size_t)end : DNS_HEADER;
}
