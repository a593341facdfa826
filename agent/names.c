/* SPDX-License-Identifier: MIT
 * /etc/hosts, /etc/hostname and /etc/resolv.conf of the container. They belong to the machine, not
 * to the image: they are files of a tmpfs that is reachable through them only. */
#include "cleanup.h"
#include "guest_net.h"
#include "names.h"
#include "xio.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *text(const json_t *obj, const char *key)
{
	const char *s = json_string_value(json_object_get(obj, key));

	return s ? s : "";
}

/* The address that the network has for the host, or NULL. */
static const char *host_address(const json_t *hosts)
{
	const json_t *h;
	size_t i;

	json_array_foreach(hosts, i, h)
	{
		if (!strcmp(text(h, "name"), "host.containers.internal"))
			return text(h, "ip");
	}
	return NULL;
}

static void put_hosts(FILE *f, const json_t *network, const char *hostname, const char *name)
{
	const json_t *hosts = json_object_get(network, "hosts"), *h;
	bool interface = json_is_true(json_object_get(network, "interface"));
	size_t i;

	fputs("127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n", f);
	json_array_foreach(hosts, i, h)
	{
		const char *ip = text(h, "ip");

		if (!strcmp(ip, "host-gateway"))
			ip = host_address(hosts);
		if (ip && *ip)
			fprintf(f, "%s\t%s\n", ip, text(h, "name"));
	}
	fprintf(f, "%s\t%s", interface ? GUEST_IP4 : "127.0.1.1", hostname);
	if (*name && strcmp(name, hostname) != 0)
		fprintf(f, " %s", name);
	fputc('\n', f);
}

static void put_words(FILE *f, const char *keyword, const json_t *words)
{
	const json_t *w;
	size_t i;

	if (!json_array_size(words))
		return;
	fputs(keyword, f);
	json_array_foreach(words, i, w) fprintf(f, " %s", json_string_value(w));
	fputc('\n', f);
}

static void put_resolver(FILE *f, const json_t *network)
{
	const json_t *dns = json_object_get(network, "dns"), *server;
	size_t i;

	put_words(f, "search", json_object_get(network, "search"));
	json_array_foreach(dns, i, server) fprintf(f, "nameserver %s\n", json_string_value(server));
	put_words(f, "options", json_object_get(network, "options"));
}

/* The files are new and empty. */
static int save(const char *path, const char *data, size_t n, struct err *e)
{
	auto_fd int fd = open(path, O_WRONLY | O_CLOEXEC);
	int r = fd < 0 ? -errno : write_full(fd, data, n);

	if (r == 0)
		return 0;
	errno = -r;
	return err_sys(e, "cannot write %s", path);
}

int names_write(const void *plan_json, const char *hostname, struct err *e)
{
	const json_t *plan = plan_json, *network = json_object_get(plan, "network");
	auto_free char *hosts = NULL, *resolver = NULL, *name = NULL;
	size_t n_hosts = 0, n_resolver = 0;
	FILE *f = open_memstream(&hosts, &n_hosts), *g = open_memstream(&resolver, &n_resolver);
	int n = asprintf(&name, "%s\n", hostname);

	if (!f || !g || n < 0)
		return err_sys(e, "cannot hold /etc/hosts");
	put_hosts(f, network, hostname, text(plan, "name"));
	put_resolver(g, network);
	fclose(f);
	fclose(g);
	if (save("/etc/hosts", hosts, n_hosts, e) < 0 ||
	        save("/etc/hostname", name, (size_t)n, e) < 0)
		return -1;
	return save("/etc/resolv.conf", resolver, n_resolver, e);
}
