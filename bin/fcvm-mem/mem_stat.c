/* SPDX-License-Identifier: MIT */
#include "cleanup.h"
#include "clock.h"
#include "json.h"
#include "mem_server.h"
#include "mem_socket.h"
#include "status.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>

#define ANSWER_S   10
#define ANSWER_MAX ((size_t)1 << 20)

static json_t *client(const struct mem_client *c)
{
	return json_pack("{s:i, s:I, s:I, s:I, s:I, s:I, s:I}", "pid", (int)c->pid, "pageSize",
	        (json_int_t)c->regions.v[0].page, "faults", (json_int_t)c->counts.faults,
	        "prefetched", (json_int_t)c->counts.prefetched, "removed",
	        (json_int_t)c->counts.removed, "zeroed", (json_int_t)c->counts.zeroed, "retries",
	        (json_int_t)c->counts.retries);
}

json_t *mem_stat_make(const struct mem_server *s)
{
	json_t *doc = json_pack("{s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:i, s:o}", "memory",
	        s->source.path, "size", (json_int_t)s->source.size, "device",
	        (json_int_t)s->source.device, "inode", (json_int_t)s->source.inode, "limit",
	        (json_int_t)s->o->clients, "served", (json_int_t)s->served, "failed",
	        (json_int_t)s->failed, "milliseconds", (json_int_t)(clock_ms() - s->since_ms),
	        "pid", (int)getpid(), "clients", json_array());

	for (size_t i = 0; i < s->o->clients; i++)
		if (s->clients[i])
			json_array_append_new(
			        json_object_get(doc, "clients"), client(s->clients[i]));
	return doc;
}

static json_t *ask(const char *path, struct err *e)
{
	auto_fd int fd = mem_socket_connect(path, e);
	auto_free char *text = malloc(ANSWER_MAX);
	static const char request[] = "{\"type\":\"STAT\"}";
	struct timeval limit = {.tv_sec = ANSWER_S};
	size_t at = 0;
	ssize_t n = 1;

	if (fd < 0)
		return NULL;
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
	if (!text || send(fd, request, strlen(request), MSG_NOSIGNAL) < 0) {
		err_sys(e, "cannot ask the server at %s", path);
		return NULL;
	}
	while (n > 0 && at < ANSWER_MAX) {
		n = recv(fd, text + at, ANSWER_MAX - at, 0);
		at += n > 0 ? (size_t)n : 0;
	}
	if (n != 0 || !at) {
		err_set(e, FCVM_EX_SYS, "the server at %s does not answer", path);
		return NULL;
	}
	return json_parse(text, at, "the server's answer", e);
}

static long long number(const json_t *o, const char *key)
{
	return json_integer_value(json_object_get(o, key));
}

static void print(const json_t *doc)
{
	const json_t *list = json_object_get(doc, "clients");
	const char *memory = json_string_value(json_object_get(doc, "memory"));

	printf("memory\t%s\nbytes\t%lld\nmachines\t%zu of %lld\nserved\t%lld\nfailed\t%lld\n",
	        memory ? memory : "", number(doc, "size"), json_array_size(list),
	        number(doc, "limit"), number(doc, "served"), number(doc, "failed"));
	if (json_array_size(list))
		printf("PID\tFAULTS\tPREFETCHED\tREMOVED\tZEROED\tRETRIES\n");
	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *c = json_array_get(list, i);

		printf("%lld\t%lld\t%lld\t%lld\t%lld\t%lld\n", number(c, "pid"),
		        number(c, "faults"), number(c, "prefetched"), number(c, "removed"),
		        number(c, "zeroed"), number(c, "retries"));
	}
}

int mem_stat(const struct mem_opts *o, struct err *e)
{
	auto_json json_t *doc = ask(o->socket, e);

	if (!doc)
		return -1;
	if (o->json)
		json_print(doc);
	else
		print(doc);
	return 0;
}
