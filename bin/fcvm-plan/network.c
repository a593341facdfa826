/* SPDX-License-Identifier: MIT
 * What the container is told of the network: names of hosts, and how names are looked up. The
 * network itself is fcvm-net's. */
#include "cleanup.h"
#include "json.h"
#include "plan.h"
#include "status.h"

#include <arpa/inet.h>
#include <string.h>

#define NAME_MAX_DNS 253

/* A host name, or a part of one, as it may stand in /etc/hosts and /etc/resolv.conf. */
static bool is_name(const char *s, size_t n)
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
	                              "0123456789-_.";

	return n > 0 && n <= NAME_MAX_DNS && strspn(s, allowed) >= n;
}

static bool is_address(const char *s)
{
	unsigned char raw[16];

	return inet_pton(AF_INET, s, raw) == 1 || inet_pton(AF_INET6, s, raw) == 1;
}

/* "host-gateway" is the host, under the address that the network has for it. */
static json_t *host(const char *s, struct err *e)
{
	size_t n = strcspn(s, ":");
	const char *ip = s[n] ? s + n + 1 : "";

	if (is_name(s, n) && (is_address(ip) || !strcmp(ip, "host-gateway")))
		return json_pack("{s:s%, s:s}", "name", s, n, "ip", ip);
	err_set(e, FCVM_EX_USAGE, "--add-host '%s': not NAME:ADDRESS", s);
	return NULL;
}

static json_t *domain(const char *s, struct err *e)
{
	/* podman: "." is for none, also of the host's. */
	if (is_name(s, strlen(s)))
		return json_string(s);
	err_set(e, FCVM_EX_USAGE, "--dns-search '%s': not a domain", s);
	return NULL;
}

static json_t *option(const char *s, struct err *e)
{
	if (*s && strlen(s) <= NAME_MAX_DNS && !strpbrk(s, " \t\r\n") &&
	        is_name(s, strcspn(s, ":")))
		return json_string(s);
	err_set(e, FCVM_EX_USAGE, "--dns-option '%s': not an option of resolv.conf", s);
	return NULL;
}

static json_t *each(
        const struct strv *values, json_t *(*make)(const char *s, struct err *e), struct err *e)
{
	auto_json json_t *list = json_array();

	for (size_t i = 0; i < values->n; i++) {
		json_t *v = make(values->v[i], e);

		if (!v)
			return NULL;
		json_array_append_new(list, v);
	}
	return steal_ptr(list);
}

json_t *plan_network(const struct plan_opts *o, struct err *e)
{
	auto_json json_t *hosts = each(&o->add_host, host, e), *search = NULL, *options = NULL;

	if (!hosts || !(search = each(&o->dns_search, domain, e)) ||
	        !(options = each(&o->dns_option, option, e)))
		return NULL;
	for (size_t i = 0; i < o->dns.n; i++)
		if (!is_address(o->dns.v[i])) {
			err_set(e, FCVM_EX_USAGE, "--dns '%s': not an address", o->dns.v[i]);
			return NULL;
		}
	return json_pack("{s:O, s:O, s:O}", "hosts", hosts, "search", search, "options", options);
}
