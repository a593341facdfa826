/* SPDX-License-Identifier: MIT
 * What the container is told of the network: names of hosts, and how names are looked up. The
 * network itself is fcvm-net's. */
#include "cleanup.h"
#include "json.h"
#include "name.h"
#include "num.h"
#include "plan.h"
#include "status.h"
#include "strv.h"

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

bool plan_is_port(const char *s)
{
	auto_free char *word = xstrdup(s);
	char *proto = strchr(word, '/'), *end;
	uint64_t first, last;

	if (proto)
		*proto++ = 0;
	end = strchr(word, '-');
	if (end)
		*end++ = 0;
	return num_u64(word, 1, 65535, &first) == 0 &&
	       (!end || num_u64(end, first, 65535, &last) == 0) &&
	       (!proto || !strcmp(proto, "tcp") || !strcmp(proto, "udp"));
}

static json_t *exposed(const struct plan_opts *o, const struct plan_image *im, struct err *e)
{
	auto_json json_t *list = json_array();
	const char *port;
	json_t *none;

	json_object_foreach((json_t *)im->ports, port, none)
	        json_array_append_new(list, json_string(port));
	for (size_t i = 0; i < o->expose.n; i++) {
		if (!plan_is_port(o->expose.v[i])) {
			err_set(e, FCVM_EX_USAGE, "--expose '%s': not PORT[-END][/tcp|/udp]",
			        o->expose.v[i]);
			return NULL;
		}
		json_array_append_new(list, json_string(o->expose.v[i]));
	}
	return steal_ptr(list);
}

/* What fcvm-net would refuse, before an image is fetched. */
static int check_addresses(const struct plan_opts *o, struct err *e)
{
	unsigned char raw[16];

	for (size_t i = 0; i < o->dns.n; i++)
		if (!is_address(o->dns.v[i]))
			return err_set(e, FCVM_EX_USAGE, "--dns '%s': not an address", o->dns.v[i]);
	if (o->ip && inet_pton(AF_INET, o->ip, raw) != 1)
		return err_set(e, FCVM_EX_USAGE, "--ip '%s': not an IPv4 address", o->ip);
	if (o->ip6 && inet_pton(AF_INET6, o->ip6, raw) != 1)
		return err_set(e, FCVM_EX_USAGE, "--ip6 '%s': not an IPv6 address", o->ip6);
	if (o->net_name && !name_valid(o->net_name))
		return err_set(e, FCVM_EX_USAGE, "--net-name '%s': " NAME_RULE, o->net_name);
	if (!o->net_name && o->network_alias.n)
		return err_set(e, FCVM_EX_USAGE, "--network-alias goes with --net-name");
	for (size_t i = 0; i < o->network_alias.n; i++)
		if (!name_valid(o->network_alias.v[i]))
			return err_set(e, FCVM_EX_USAGE, "--network-alias '%s': " NAME_RULE,
			        o->network_alias.v[i]);
	return 0;
}

json_t *plan_network(const struct plan_opts *o, const struct plan_image *im, struct err *e)
{
	auto_json json_t *hosts = each(&o->add_host, host, e), *search = NULL, *options = NULL,
	                 *expose = NULL;

	if (!hosts || !(search = each(&o->dns_search, domain, e)) ||
	        !(options = each(&o->dns_option, option, e)) || !(expose = exposed(o, im, e)))
		return NULL;
	if (check_addresses(o, e) < 0)
		return NULL;
	return json_pack("{s:O, s:O, s:O, s:O}", "hosts", hosts, "search", search, "options",
	        options, "expose", expose);
}
