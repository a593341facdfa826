/* SPDX-License-Identifier: MIT
 * As much of a DNS message as a relay must understand: its id, its question, and whether two
 * messages have the same one. */
#ifndef FCVM_NET_DNS_MSG_H
#define FCVM_NET_DNS_MSG_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define DNS_HEADER    12
#define DNS_QUERY_MAX 1500
#define DNS_NAME_MAX  256
#define DNS_RECORD    16 /* bytes of an address in an answer */
#define DNS_ADDRESSES 8

/* The length of header and question of a message with exactly one question, or -1. */
ssize_t dns_question(const uint8_t *m, size_t n);

/* Whether it may be passed on as a query, or as the answer to this query (its first q_len bytes are
 * header and question): an answer may write the name in other case. */
bool dns_is_query(const uint8_t *m, size_t n);
bool dns_answers(const uint8_t *answer, size_t n, const uint8_t *query, size_t q_len);

uint16_t dns_id(const uint8_t *m);
void dns_set_id(uint8_t *m, uint16_t id);

/* The name that is asked for, in lower case with dots; false if it has other characters than host
 * names have. question: as dns_question() has it. */
bool dns_name(const uint8_t *m, size_t question, char out[DNS_NAME_MAX]);

/* Makes of a query's header and question the answer with these addresses in place, or with none if
 * it asks for something else than IPv4 addresses; returns its length. m has room for all of it. */
size_t dns_addresses(uint8_t *m, size_t question, const struct in_addr *v, int n);

/* Makes of a query the answer "server failure" in place; returns its length (question included). */
size_t dns_failure(uint8_t *m, size_t n);

#endif
