/* SPDX-License-Identifier: MIT
 * Names of VMs, and host names. */
#ifndef FCVM_NAME_H
#define FCVM_NAME_H

#include <stdbool.h>
#include <stddef.h>

#define NAME_MAX_LEN 63

/* For messages: "NAME: " and then this. */
#define NAME_RULE "a name is 1 to 63 of A-Z a-z 0-9 _ . - and starts with neither - nor ."
#define NAME_HOSTNAME_RULE \
	"a host name is 1 to 64 of A-Z a-z 0-9 _ . - and starts with neither - nor ."

bool name_valid(const char *s);
bool name_valid_hostname(const char *s); /* Linux holds 64 bytes */

/* A friendly name, adjective_noun, chosen at random; it may be in use. */
void name_random(char *out, size_t size);

#endif
