/* SPDX-License-Identifier: MIT
 * The relay between a kernel, which a socket of messages stands for, and a server. */
#include "fuserelay.h"
#include "tap.h"

#include <errno.h>
#include <linux/fuse.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

struct rig {
	int kernel, dev, wire, server, control;
	pthread_t thread;
	int result;
	struct err e;
};

static void *run(void *ctx)
{
	struct rig *g = ctx;

	g->result = fuserelay_run(g->dev, g->wire, g->control, &g->e);
	return NULL;
}

static void rig_start(struct rig *g, int control)
{
	int a[2], b[2], big = 4 << 20;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET, 0, a) < 0 ||
	        socketpair(AF_UNIX, SOCK_STREAM, 0, b) < 0)
		abort();
	*g = (struct rig){
	        .kernel = a[0], .dev = a[1], .wire = b[0], .server = b[1], .control = control};
	setsockopt(g->kernel, SOL_SOCKET, SO_SNDBUFFORCE, &big, sizeof big);
	setsockopt(g->dev, SOL_SOCKET, SO_SNDBUFFORCE, &big, sizeof big);
	pthread_create(&g->thread, NULL, run, g);
}

static void rig_end(struct rig *g)
{
	close(g->kernel);
	pthread_join(g->thread, NULL);
	close(g->dev);
	close(g->wire);
	if (g->server >= 0)
		close(g->server);
}

static void request(struct rig *g, uint32_t opcode, uint64_t unique, size_t n)
{
	char *m = calloc(1, n);
	struct fuse_in_header h = {.len = (uint32_t)n, .opcode = opcode, .unique = unique};

	memcpy(m, &h, sizeof h);
	if (write(g->kernel, m, n) != (ssize_t)n)
		abort();
	free(m);
}

static void answer(struct rig *g, int error, uint64_t unique, size_t n)
{
	char *m = calloc(1, n);
	struct fuse_out_header h = {.len = (uint32_t)n, .error = error, .unique = unique};

	memset(m + sizeof h, 'x', n - sizeof h);
	memcpy(m, &h, sizeof h);
	for (size_t at = 0, k; at < n; at += k) {
		k = n - at < 5000 ? n - at : 5000;
		if (write(g->server, m + at, k) != (ssize_t)k)
			abort();
	}
	free(m);
}

/* What the kernel gets next, its header in *h: its length, or -1 when nothing comes. */
static int delivered(struct rig *g, struct fuse_out_header *h)
{
	static char m[FUSERELAY_MAX];
	struct pollfd p = {.fd = g->kernel, .events = POLLIN};
	ssize_t n = poll(&p, 1, 5000) == 1 ? read(g->kernel, m, sizeof m) : -1;

	if (n >= (ssize_t)sizeof *h)
		memcpy(h, m, sizeof *h);
	return (int)n;
}

static bool arrives(struct rig *g, size_t n)
{
	static char m[FUSERELAY_MAX];

	for (size_t at = 0; at < n;) {
		ssize_t r = read(g->server, m + at, n - at);

		if (r <= 0)
			return false;
		at += (size_t)r;
	}
	return true;
}

static void round_trips(void)
{
	struct fuse_out_header h;
	struct rig g;

	rig_start(&g, -1);
	request(&g, FUSE_GETATTR, 2, 56);
	request(&g, FUSE_WRITE, 4, 80 + 100000);
	ok(arrives(&g, 56 + 80 + 100000), "requests arrive whole at the server");
	answer(&g, 0, 4, 24);
	answer(&g, 0, 2, 1 << 20);
	is_int(delivered(&g, &h), 24, "a reply out of order is delivered");
	is_int((int)h.unique, 4, "with its number");
	is_int(delivered(&g, &h), 1 << 20, "a reply that came in pieces is delivered as one");
	answer(&g, FUSE_NOTIFY_INVAL_INODE, 0, 40);
	is_int(delivered(&g, &h), 40, "a notification is delivered");
	is_int((int)h.unique, 0, "as one");
	rig_end(&g);
	is_int(g.result, 0, "an unmount is a good end");
}

/* A file is opened as it was called back before, so nothing of that may come later. */
static void an_open_waits_for_notes(void)
{
	struct fuse_out_header h = {0};
	unsigned notes = 0;
	struct rig g;

	rig_start(&g, -1);
	request(&g, FUSE_OPEN, 2, 48);
	ok(arrives(&g, 48), "an open reaches the server");
	for (size_t i = 0; i < 200; i++) /* each of a length of its own, or they were one */
		answer(&g, FUSE_NOTIFY_INVAL_INODE, 0, 40 + 8 * i);
	answer(&g, 0, 2, 32);
	while (notes < 200 && delivered(&g, &h) > 0 && h.unique == 0)
		notes++;
	is_int((int)notes, 200, "all that was called back before the reply comes before it");
	is_int(delivered(&g, &h), 32, "then the reply");
	is_int((int)h.unique, 2, "of the open");
	rig_end(&g);
}

static void server_goes(void)
{
	struct fuse_out_header h;
	struct rig g;

	rig_start(&g, -1);
	request(&g, FUSE_READ, 6, 80);
	request(&g, FUSE_FORGET, 8, 48);
	arrives(&g, 128);
	close(g.server);
	g.server = -1;
	is_int(delivered(&g, &h), 16, "the server goes: what waits for it gets a reply");
	ok(h.unique == 6 && h.error == -EIO, "which is EIO");
	request(&g, FUSE_FORGET, 10, 48);
	request(&g, FUSE_OPEN, 12, 48);
	is_int(delivered(&g, &h), 16, "and so does what comes later");
	ok(h.unique == 12 && h.error == -EIO, "but nothing that wants no reply");
	rig_end(&g);
	is_int(g.result, -1, "the end says so");
	is_str(g.e.text, "the volume's server went away: Broken pipe", "in words");
}

static void server_is_bad(size_t len, uint64_t unique, const char *what)
{
	struct fuse_out_header h = {.len = (uint32_t)len, .unique = unique};
	struct rig g;

	rig_start(&g, -1);
	request(&g, FUSE_READ, 6, 80);
	arrives(&g, 80);
	if (write(g.server, &h, sizeof h) != sizeof h)
		abort();
	is_int(delivered(&g, &h), 16, "%s ends the session", what);
	ok(h.unique == 6 && h.error == -EIO, "%s is EIO for who waits", what);
	rig_end(&g);
	is_int(g.result, -1, "%s is said", what);
}

static char said(int control)
{
	struct pollfd p = {.fd = control, .events = POLLIN};
	char byte = 0;

	return poll(&p, 1, 5000) == 1 && recv(control, &byte, 1, 0) == 1 ? byte : 0;
}

static void hears(struct rig *g, const char *word, const char *what)
{
	char text[FUSERELAY_HELLO_N] = "";

	ok(read(g->server, text, sizeof text) == sizeof text && !memcmp(text, word, 8), "%s", what);
}

static void says(struct rig *g, const char *word)
{
	char text[FUSERELAY_HELLO_N] = {0};

	memcpy(text, word, 8);
	if (write(g->server, text, sizeof text) != sizeof text)
		abort();
}

static void rests(void)
{
	struct fuse_out_header h;
	struct rig g;
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair) < 0)
		abort();
	rig_start(&g, pair[1]);
	request(&g, FUSE_GETATTR, 2, 56);
	ok(arrives(&g, 56), "a request is under way");
	(void)!send(pair[0], "R", 1, 0);
	hears(&g, FUSERELAY_REST, "the server is asked to rest");
	request(&g, FUSE_GETATTR, 4, 60);
	answer(&g, 0, 2, 24);
	is_int(delivered(&g, &h), 24, "which answers what was under way");
	says(&g, FUSERELAY_REST);
	is_int(said(pair[0]), 'r', "and rests");
	ok(poll(&(struct pollfd){.fd = g.server, .events = POLLIN}, 1, 100) == 0,
	        "nothing more comes");
	(void)!send(pair[0], "G", 1, 0);
	hears(&g, FUSERELAY_GO, "until it is told to go on");
	ok(arrives(&g, 60), "then what has waited");
	answer(&g, FUSE_NOTIFY_INVAL_INODE, 0, 40);
	says(&g, FUSERELAY_GO);
	is_int(said(pair[0]), 'g', "it has said all that it had to say");
	is_int(delivered(&g, &h), 40, "and the kernel knows it by then");
	(void)!send(pair[0], "R", 1, 0);
	hears(&g, FUSERELAY_REST, "once more");
	(void)!send(pair[0], "G", 1, 0);
	hears(&g, FUSERELAY_GO, "and given up, because it takes too long");
	request(&g, FUSE_GETATTR, 6, 56);
	ok(arrives(&g, 56), "requests come");
	says(&g, FUSERELAY_REST);
	says(&g, FUSERELAY_GO);
	is_int(said(pair[0]), 'g', "what comes too late is passed over");
	close(g.server);
	g.server = -1;
	is_int(delivered(&g, &h), 16, "the server goes");
	is_int(delivered(&g, &h), 16, "and both get EIO");
	(void)!send(pair[0], "R", 1, 0);
	is_int(said(pair[0]), 'x', "it cannot rest any more");
	rig_end(&g);
	close(pair[0]);
	close(pair[1]);
}

struct greeting {
	int fd;
	const char *answer;
};

static void *greet(void *ctx)
{
	struct greeting *t = ctx;
	char hello[16];

	if (read(t->fd, hello, 16) == 16 && write(t->fd, t->answer, 16) != 16)
		abort();
	close(t->fd);
	return NULL;
}

static int hello(const char *reply, struct err *e)
{
	struct greeting t = {.answer = reply};
	pthread_t thread;
	int p[2], r;

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, p) < 0)
		abort();
	t.fd = p[1];
	pthread_create(&thread, NULL, greet, &t);
	r = fuserelay_hello(p[0], e);
	pthread_join(thread, NULL);
	close(p[0]);
	return r;
}

int main(void)
{
	struct err e = {.text = ""};

	is_int(hello(FUSERELAY_HELLO "\1\0\0\0\0\0\0\0", &e), 0, "a server says hello");
	is_int(hello(FUSERELAY_HELLO "\1\0\0\0\0\0\0\x80", &e), -1, "one refuses");
	is_str(e.text, "the volume's server refuses the session", "which is said");
	is_int(hello("SSH-2.0-whatever", &e), -1, "another protocol");
	is_str(e.text, "the volume's server has another protocol", "is said, too");
	round_trips();
	an_open_waits_for_notes();
	server_goes();
	rests();
	server_is_bad(15, 6, "a length that is too small");
	server_is_bad(FUSERELAY_MAX + 1, 6, "one that is too large");
	server_is_bad(16, 4, "a reply that nobody waits for");
	return done();
}
