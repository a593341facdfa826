/* SPDX-License-Identifier: MIT */
#include "json.h"
#include "name.h"
#include "net.h"
#include "status.h"

#include <arpa/inet.h>
#include <string.h>

static void host(json_t *list, const char *name, size_t len, const char *ip)
{
	json_array_append_new(list, json_pack("{s:s%, s:s}", "name", name, len, "ip", ip));
}

/* NAME:IP, or NAME:host-gateway as podman has it. */
static int add_host(const struct net *n, json_t *list, const char *text, struct err *e)
{
	const char *colon = strchr(text, ':'), *ip = colon ? colon + 1 : "";
	char name[256];
	struct in6_addr a;

	snprintf(name, sizeof name, "%.*s", (int)(colon ? colon - text : 0), text);
	if (!name_valid_hostname(name))
		return err_set(e, FCVM_EX_USAGE,
		        "--add-host %s: it is NAME:IP, and " NAME_HOSTNAME_RULE, text);
	if (!strcmp(ip, "host-gateway")) {
		if (!*n->host_ip)
			return err_set(e, FCVM_EX_FAIL,
			        "--add-host %s: the guest has no way to this host with --network "
			        "%s",
			        text, n->ops->name);
		ip = n->host_ip;
	}
	if (inet_pton(AF_INET, ip, &a) != 1 && inet_pton(AF_INET6, ip, &a) != 1)
		return err_set(
		        e, FCVM_EX_USAGE, "--add-host %s: no IP address after the name", text);
	host(list, name, strlen(name), ip);
	return 0;
}

json_t *document(const struct net *n, const struct strv *hosts, struct err *e)
{
	auto_json json_t *list = json_array(), *dns = json_array(), *search = json_array();

	for (size_t i = 0; i < hosts->n; i++)
		if (add_host(n, list, hosts->v[i], e) < 0)
			return NULL;
	if (*n->host_ip)
		host(list, NET_HOST_NAME, strlen(NET_HOST_NAME), n->host_ip);
	if (net_has_dns(n))
		json_array_append_new(dns, json_string(GUEST_GATEWAY4));
	/* A word that is no UTF-8 makes json_string() NULL, which is passed over. */
	for (size_t i = 0; n->ops->dns && i < n->resolv.search.n; i++)
		json_array_append_new(search, json_string(n->resolv.search.v[i]));
	return json_pack("{s:s, s:s, s:s, s:s, s:s, s:i, s:O, s:O, s:O, s:o}", "mode", n->ops->name,
	        "address", n->address, "address6", n->address6, "network",
	        n->peers.network ? n->peers.network : "", "networkAddress", n->peers.address, "mtu",
	        (int)n->mtu, "dns", dns, "search", search, "hosts", list, "ports",
	        publish_list(&n->ports, n->address));
}
