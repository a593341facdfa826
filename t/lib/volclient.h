/* SPDX-License-Identifier: MIT
 * A raw client of a volume's server, which runs beside it in a thread: tests say what a guest's
 * kernel would say. */
#ifndef FCVM_VOLCLIENT_H
#define FCVM_VOLCLIENT_H

#include "tmpdir.h"

#include <fcvm-vol/vs.h>

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define PATIENCE_MS 20000

struct client {
	struct vs vs;
	pthread_t server;
	int wire;
	uint64_t unique;
	char in[65536] __attribute__((aligned(8)));
	int error; /* of the last answer */
};

static inline void *serve(void *arg)
{
	vs_serve(arg);
	return NULL;
}

static inline bool put(struct client *c, const void *data, size_t n)
{
	return send(c->wire, data, n, MSG_NOSIGNAL) == (ssize_t)n;
}

static inline bool take(struct client *c, void *to, size_t n)
{
	size_t have = 0;

	while (have < n) {
		struct pollfd p = {.fd = c->wire, .events = POLLIN};
		ssize_t got = poll(&p, 1, PATIENCE_MS) == 1
		                      ? recv(c->wire, (char *)to + have, n - have, 0)
		                      : -1;

		if (got <= 0)
			return false;
		have += (size_t)got;
	}
	return true;
}

/* The answer's body, or NULL if the server ended the session. Notifications are passed over. */
static inline const void *answer(struct client *c, uint64_t unique)
{
	struct fuse_out_header h;

	do {
		if (!take(c, &h, sizeof h) || h.len < sizeof h || h.len - sizeof h > sizeof c->in ||
		        !take(c, c->in, h.len - sizeof h))
			return NULL;
	} while (h.unique != unique);
	c->error = h.error;
	return c->in;
}

static inline void say(struct client *c, uint32_t opcode, uint64_t node, const void *body, size_t n)
{
	struct fuse_in_header h = {.len = (uint32_t)(sizeof h + n),
	        .opcode = opcode,
	        .unique = ++c->unique,
	        .nodeid = node};
	char msg[4096];

	memcpy(msg, &h, sizeof h);
	memcpy(msg + sizeof h, body, n);
	put(c, msg, sizeof h + n);
}

static inline const void *ask(
        struct client *c, uint32_t opcode, uint64_t node, const void *body, size_t n)
{
	say(c, opcode, node, body, n);
	return answer(c, c->unique);
}

/* A fixed part and then text, its NUL included. */
static inline const void *ask_text(struct client *c, uint32_t opcode, uint64_t node,
        const void *fixed, size_t n, const char *text, size_t len)
{
	char body[2048];

	if (n)
		memcpy(body, fixed, n);
	memcpy(body + n, text, len);
	return ask(c, opcode, node, body, n + len);
}

static inline bool greet(struct client *c)
{
	char hello[16] = "FCVMVOL1\1";

	return put(c, hello, sizeof hello) && take(c, hello, sizeof hello) &&
	       !memcmp(hello, "FCVMVOL1\1\0\0\0\0\0\0\0", sizeof hello);
}

static inline const void *init(struct client *c)
{
	const struct fuse_init_in in = {.major = 7, .minor = 38, .flags = ~0U};

	return ask(c, FUSE_INIT, 0, &in, sizeof in);
}

static inline void prepare(
        struct client *c, const struct tmpdir *d, bool readonly, enum vs_cache cache)
{
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		abort();
	*c = (struct client){.wire = pair[0],
	        .vs = {.root = openat(d->fd, "share", O_PATH | O_CLOEXEC),
	                .wire = pair[1],
	                .readonly = readonly,
	                .cache = cache,
	                .uid = geteuid(),
	                .gid = getegid(),
	                .threads = 3}};
}

static inline void run(struct client *c)
{
	if (pthread_create(&c->server, NULL, serve, &c->vs) != 0)
		abort();
}

static inline void stop(struct client *c)
{
	close(c->wire);
	pthread_join(c->server, NULL);
	close(c->vs.wire);
	close(c->vs.root);
}

static inline void begin(struct client *c, const struct tmpdir *d, bool readonly)
{
	prepare(c, d, readonly, VS_CACHE_AUTO);
	run(c);
	if (!greet(c) || !init(c))
		abort();
}

static inline uint64_t look(struct client *c, uint64_t node, const char *name)
{
	const struct fuse_entry_out *e =
	        ask_text(c, FUSE_LOOKUP, node, NULL, 0, name, strlen(name) + 1);

	return e && !c->error ? e->nodeid : 0;
}

#endif
