/* SPDX-License-Identifier: MIT */
#include "msg.h"
#include "publish.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

/* Whether b continues a's range with the same outcome. */
static bool continues(const struct port *a, const struct port *b)
{
	return b->family == AF_UNSPEC && b->host == a->host + 1 && b->udp == a->udp &&
	       b->own == a->own && b->lo4 == a->lo4 && b->lo6 == a->lo6 && b->taken4 == a->taken4 &&
	       b->taken6 == a->taken6;
}

static void note(const struct port *port, const char *number, const char *address)
{
	const char *own = port->own ? address : "", *and = port->own ? " and on " : "";

	if (port->lo4 && !port->taken6)
		msg("%s answers on %s%slocalhost", number, own, and);
	else if (port->lo4)
		msg("%s answers on %s%s127.0.0.1; [::1]:%s is taken", number, own, and, number);
	else if (port->lo6)
		msg("%s answers on %s%s[::1]; 127.0.0.1:%s is taken", number, own, and, number);
	else if (port->taken4)
		msg("%s answers on %s; localhost:%s is taken", number, own, number);
	else
		msg("%s answers on %s", number, own);
}

void publish_notes(const struct ports *ports, const char *address)
{
	for (size_t i = 0; i < ports->n; i++) {
		const struct port *first = &ports->v[i];
		char number[32], *p = number;
		size_t end = i;

		if (first->family != AF_UNSPEC)
			continue;
		while (end + 1 < ports->n && continues(&ports->v[end], &ports->v[end + 1]))
			end++;
		p += snprintf(p, sizeof number, "%d", first->host);
		if (end > i)
			p += snprintf(p, 8, "-%d", ports->v[end].host);
		if (first->udp)
			snprintf(p, 8, "/udp");
		note(first, number, address);
		i = end;
	}
}

static void add(json_t *list, const char *ip, const struct port *port)
{
	json_array_append_new(
	        list, json_sprintf(strchr(ip, ':') ? "[%s]:%d->%d/%s" : "%s:%d->%d/%s", ip,
	                      (int)port->host, (int)port->guest, port->udp ? "udp" : "tcp"));
}

json_t *publish_list(const struct ports *ports, const char *address)
{
	json_t *list = json_array();

	for (size_t i = 0; i < ports->n; i++) {
		const struct port *port = &ports->v[i];
		char ip[INET6_ADDRSTRLEN];

		if (port->own)
			add(list, address, port);
		if (port->lo4)
			add(list, "127.0.0.1", port);
		if (port->lo6)
			add(list, "::1", port);
		if (port->family != AF_UNSPEC && inet_ntop(port->family, &port->ip, ip, sizeof ip))
			add(list, ip, port);
	}
	return list;
}
