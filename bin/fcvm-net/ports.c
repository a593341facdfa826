/* SPDX-License-Identifier: MIT */
#include "ports.h"
#include "num.h"
#include "status.h"
#include "strv.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#define FORM "it is [[HOSTIP:]HOSTPORT:]PORT[/tcp|/udp]"

struct range {
	uint64_t first, last;
};

static int bad(struct err *e, const char *entry, const char *why)
{
	return err_set(e, FCVM_EX_USAGE, "--publish %.80s: %s", entry, why);
}

/* "80" or "80-90". */
static bool range_parse(char *text, struct range *r)
{
	char *dash = strchr(text, '-');

	if (dash)
		*dash++ = 0;
	if (num_u64(text, 1, 65535, &r->first) < 0)
		return false;
	r->last = r->first;
	return !dash || num_u64(dash, r->first, 65535, &r->last) == 0;
}

static bool same_place(const struct port *a, const struct port *b)
{
	if (!a->host || a->host != b->host || a->udp != b->udp || a->family != b->family)
		return false;
	if (a->family == AF_INET)
		return a->ip.v4.s_addr == b->ip.v4.s_addr;
	return a->family == AF_UNSPEC || IN6_ARE_ADDR_EQUAL(&a->ip.v6, &b->ip.v6);
}

static int append(struct ports *p, const struct port *base, struct range host, struct range guest,
        struct err *e)
{
	size_t count = (size_t)(guest.last - guest.first) + 1;
	struct port *v;

	if (host.first && host.last - host.first != guest.last - guest.first)
		return bad(e, base->text, "the two ranges differ in length");
	if (p->n + count > PORTS_MAX)
		return bad(e, base->text, "more than 4096 ports in all");
	v = reallocarray(p->v, p->n + count, sizeof *v);
	if (!v)
		abort();
	p->v = v;
	for (size_t i = 0; i < count; i++) {
		struct port *port = &v[p->n + i];

		*port = *base;
		port->host = (uint16_t)(host.first ? host.first + i : 0);
		port->guest = (uint16_t)(guest.first + i);
		for (size_t k = 0; k < p->n; k++)
			if (same_place(&v[k], port))
				return bad(e, base->text, "the host's port is given twice");
	}
	p->n += count;
	return 0;
}

/* Cuts "[v6]:" or "v4:" off *rest when two more fields follow. */
static int host_ip(struct port *port, char **rest, struct err *e)
{
	char *ip = *rest, *end;

	if (*ip == '[') {
		end = strchr(++ip, ']');
		if (!end || end[1] != ':')
			return bad(e, port->text, "an IPv6 address is written [::1]:8080:80");
		*end++ = 0;
	} else {
		end = strchr(ip, ':');
		if (!end || !strchr(end + 1, ':'))
			return 0;
	}
	*end++ = 0;
	*rest = end;
	port->family = strchr(ip, ':') ? AF_INET6 : AF_INET;
	if (inet_pton(port->family, ip, &port->ip) != 1)
		return bad(e, port->text, "no IP address of this host before the ports");
	return 0;
}

static int entry(struct ports *p, char *text, struct err *e)
{
	struct range host = {0}, guest = {0};
	struct port port = {.family = AF_UNSPEC};
	char *proto, *colon;

	if (strlen(text) >= sizeof port.text)
		return bad(e, text, FORM);
	strcpy(port.text, text);
	proto = strchr(text, '/');
	if (proto) {
		*proto++ = 0;
		port.udp = !strcmp(proto, "udp");
		if (!port.udp && strcmp(proto, "tcp") != 0)
			return bad(e, port.text, "the protocol is tcp or udp");
	}
	if (host_ip(&port, &text, e) < 0)
		return -1;
	colon = strchr(text, ':');
	if (colon)
		*colon++ = 0;
	else if (port.family != AF_UNSPEC)
		return bad(e, port.text, FORM);
	/* 127.0.0.1::80 is any free port of that address. */
	if (colon && (*text || port.family == AF_UNSPEC) && !range_parse(text, &host))
		return bad(e, port.text, FORM " and the host's port is 1 to 65535");
	if (!range_parse(colon ? colon : text, &guest))
		return bad(e, port.text, FORM " and the port is 1 to 65535");
	return append(p, &port, host, guest, e);
}

int ports_add(struct ports *p, const char *text, struct err *e)
{
	char *copy = xstrdup(text), *next = copy, *word;
	size_t before = p->n;
	int r = 0;

	while (r == 0 && (word = strsep(&next, ",")))
		r = entry(p, word, e);
	if (r < 0)
		p->n = before;
	free(copy);
	return r;
}

void ports_free(struct ports *p)
{
	free(p->v);
	*p = (struct ports){0};
}
