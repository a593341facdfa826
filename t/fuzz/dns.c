/* SPDX-License-Identifier: MIT
 * DNS messages: a length, then the guest's query, then what a resolver answers. */
#include "dns_msg.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t n = size ? data[0] : 0;
	const uint8_t *query = data + 1, *answer;
	struct in_addr addresses[DNS_ADDRESSES] = {{1}, {2}};
	uint8_t copy[256 + DNS_ADDRESSES * DNS_RECORD];
	char name[DNS_NAME_MAX];
	ssize_t question;

	if (size < 1 || n > size - 1)
		return 0;
	answer = query + n;
	if (!dns_is_query(query, n))
		return 0;
	question = dns_question(query, n);
	if (question < DNS_HEADER + 5 || (size_t)question > n)
		abort();
	dns_answers(answer, size - 1 - n, query, (size_t)question);
	memcpy(copy, query, n);
	if (dns_failure(copy, n) != (size_t)question ||
	        !dns_answers(copy, (size_t)question, query, (size_t)question))
		abort();
	if (dns_name(query, (size_t)question, name) && strlen(name) >= DNS_NAME_MAX)
		abort();
	memcpy(copy, query, n);
	n = dns_addresses(copy, (size_t)question, addresses, DNS_ADDRESSES);
	if (!dns_answers(copy, n, query, (size_t)question))
		abort();
	return 0;
}
