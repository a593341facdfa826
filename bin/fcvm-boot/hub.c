/* SPDX-License-Identifier: MIT
 * The control socket and the connections on it: accepted from the same user and root only, read
 * while the agent takes what they send, written as far as they read. */
#include "cleanup.h"
#include "control.h"
#include "job.h"
#include "json.h"
#include "status.h"
#include "strv.h"
#include "supervise.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#define CONNS_MAX 4000

/* A front that goes without a word takes its machine along, as a foreground process does. */
static void gone(struct conn *c)
{
	struct machine *m = c->m;

	c->dead = true;
	if (c->front && m->phase != PHASE_END)
		machine_end(m);
}

void hub_tell(struct conn *c, json_t *message)
{
	auto_json json_t *j = message;
	auto_free char *text = json_dumps(j, JSON_COMPACT);

	if (!text || proto_put_text(&c->out, 0, PROTO_CONTROL, text, strlen(text)) < 0)
		gone(c);
}

void hub_refuse(struct conn *c, int status, const char *fmt, ...)
{
	char text[600];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	hub_tell(c, json_pack("{s:s, s:i, s:s}", "type", "ERROR", "status", status, "error", text));
	c->closing = true;
}

static int frame(struct conn *c, const struct frame *f)
{
	auto_json json_t *j = NULL;
	int r;

	if (f->type != PROTO_CONTROL) {
		if (f->channel != CONTROL_CHANNEL || c->closing)
			return c->closing ? 0 : -EPROTO;
		if (c->role == ROLE_STREAM)
			return container_client_frame(c, f);
		return c->role == ROLE_EXEC ? call_client_frame(c, f) : -EPROTO;
	}
	r = proto_text_add(&c->text, f);
	if (r != 1)
		return r;
	j = json_parse(c->text.buf, c->text.len, "a request", NULL);
	proto_text_clear(&c->text);
	if (!j)
		return -EPROTO;
	request_handle(c, j);
	return 0;
}

static void receive(struct conn *c)
{
	struct frame f;
	size_t space;
	uint8_t *p = proto_in_space(&c->in, &space);
	ssize_t n = recv(c->watch.fd, p, space, MSG_DONTWAIT);
	int r;

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		gone(c);
		return;
	}
	proto_in_filled(&c->in, (size_t)n);
	while (!c->dead && (r = proto_next(&c->in, &f)) != 0)
		if (r < 0 || frame(c, &f) < 0)
			gone(c);
}

static void conn_event(void *ctx, uint32_t events)
{
	struct conn *c = ctx;

	if (events & (EPOLLIN | EPOLLHUP | EPOLLERR))
		receive(c);
}

struct conn *hub_add(struct machine *m, int fd)
{
	struct conn *c = calloc(1, sizeof *c);

	if (!c || fcntl(fd, F_SETFL, O_NONBLOCK) < 0 ||
	        loop_add(&m->loop, &c->watch, fd, EPOLLIN, conn_event, c) < 0) {
		free(c);
		close(fd);
		return NULL;
	}
	c->m = m;
	proto_in_init(&c->in, PROTO_HOST);
	c->next = m->conns;
	m->conns = c;
	return c;
}

static bool may_ask(int fd)
{
	struct ucred peer;
	socklen_t n = sizeof peer;

	return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &n) == 0 &&
	       (peer.uid == geteuid() || peer.uid == 0);
}

static void listen_event(void *ctx, uint32_t events)
{
	struct machine *m = ctx;
	struct sockaddr_un from;
	socklen_t from_n = sizeof from;
	int fd = accept4(m->listen_watch.fd, (struct sockaddr *)&from, &from_n,
	        SOCK_NONBLOCK | SOCK_CLOEXEC);
	size_t n = 0;

	(void)events;
	if (fd < 0 && (errno == EMFILE || errno == ENFILE)) /* until one is closed: hub_turn() */
		loop_want(&m->loop, &m->listen_watch, 0);
	for (struct conn *c = m->conns; c; c = c->next)
		n++;
	if (fd >= 0 && (n >= CONNS_MAX || !may_ask(fd)))
		close(fd);
	else if (fd >= 0)
		hub_add(m, fd);
}

int hub_listen(struct machine *m, struct err *e)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	mode_t mask;
	int fd, r;

	if (m->o->dir < 0)
		return 0;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return err_sys(e, "cannot make the control socket");
	/* The directory's own path may be longer than a socket's name can be. Under another name
	 * until it listens: who finds it must not be refused. */
	snprintf(at.sun_path, sizeof at.sun_path, "/proc/self/fd/%d/" CONTROL_NAME ".new",
	        m->o->dir);
	mask = umask(0177);
	r = bind(fd, (struct sockaddr *)&at, sizeof at);
	umask(mask);
	if (r == 0)
		r = listen(fd, 1024);
	if (r == 0)
		r = renameat(m->o->dir, CONTROL_NAME ".new", m->o->dir, CONTROL_NAME);
	if (r < 0 || loop_add(&m->loop, &m->listen_watch, fd, EPOLLIN, listen_event, m) < 0) {
		err_sys(e, "cannot listen on the control socket");
		close(fd);
		return -1;
	}
	return 0;
}

static void leave(struct conn *c)
{
	if (c->role == ROLE_STREAM)
		container_leave(c);
	if (c->role == ROLE_EXEC)
		call_leave(c);
	if (c->role == ROLE_JOB)
		job_leave(c);
}

/* It is out of the list already, so that nobody counts on it any more. */
static void drop(struct machine *m, struct conn *c)
{
	int fd = c->watch.fd;

	leave(c);
	loop_remove(&m->loop, &c->watch);
	if (fd >= 0)
		close(fd);
	proto_in_free(&c->in);
	proto_out_free(&c->out);
	proto_text_clear(&c->text);
	free(c);
}

/* Sends what it takes; closes it when all was said. The client's own close is awaited after ours,
 * so that what it still had to read is not lost to a reset. */
static void turn(struct machine *m, struct conn *c, bool hold)
{
	bool carries = c->role == ROLE_STREAM || c->role == ROLE_EXEC;

	if (!c->dead && proto_flush(&c->out, c->watch.fd) < 0)
		gone(c);
	if (c->dead)
		return;
	if (c->closing && !proto_pending(&c->out))
		shutdown(c->watch.fd, SHUT_WR);
	loop_want(&m->loop, &c->watch,
	        (hold && carries ? 0 : EPOLLIN) | (proto_pending(&c->out) ? EPOLLOUT : 0));
}

void hub_turn(struct machine *m)
{
	bool hold = m->out.end - m->out.start > WIRE_HOLD && !m->agent_mute;
	struct conn **at, *c;

	for (c = m->conns; c; c = c->next)
		turn(m, c, hold);
	for (at = &m->conns; (c = *at);) {
		if (!c->dead) {
			at = &c->next;
			continue;
		}
		*at = c->next;
		drop(m, c);
		loop_want(&m->loop, &m->listen_watch, EPOLLIN);
	}
}

void hub_close_all(struct machine *m)
{
	struct conn *c;

	while ((c = m->conns)) {
		m->conns = c->next;
		drop(m, c);
	}
	if (m->listen_watch.fd >= 0)
		close(m->listen_watch.fd);
	m->listen_watch.fd = -1;
}

bool hub_is_held(const struct machine *m)
{
	for (struct conn *c = m->conns; c; c = c->next)
		if (c->front || c->hold || proto_pending(&c->out))
			return true;
	return false;
}
