/* SPDX-License-Identifier: MIT
 * The guest's side of a session, with pipes for a process and a buffer for the wire. */
#include "session.h"
#include "tap.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

struct rig {
	struct loop loop;
	struct proto_out wire;
	struct session s;
	int in, out; /* the process's ends */
};

static void rig_up(struct rig *r)
{
	int in[2], out[2];

	memset(r, 0, sizeof *r);
	loop_init(&r->loop);
	session_init(&r->s, 1, &r->loop, &r->wire);
	if (pipe2(in, O_CLOEXEC) < 0 || pipe2(out, O_CLOEXEC) < 0)
		abort();
	fcntl(in[1], F_SETFL, O_NONBLOCK);
	fcntl(out[0], F_SETFL, O_NONBLOCK);
	r->in = in[0];
	r->out = out[1];
	session_streams(&r->s, in[1], out[0], -1, false);
}

static void rig_down(struct rig *r)
{
	session_close(&r->s);
	proto_out_free(&r->wire);
	close(r->loop.epoll);
	if (r->in >= 0)
		close(r->in);
	if (r->out >= 0)
		close(r->out);
}

static void turn(struct rig *r)
{
	while (loop_once(&r->loop, 0))
		;
}

/* Takes the next frame off the wire; its payload is copied to buf. */
static int taken(struct rig *r, struct frame *f, uint8_t *buf, size_t size)
{
	struct proto_in in;
	size_t space, n = r->wire.end - r->wire.start;
	int got;

	proto_in_init(&in, PROTO_GUEST);
	if (n > PROTO_HEADER + PROTO_MAX)
		n = PROTO_HEADER + PROTO_MAX;
	if (n)
		memcpy(proto_in_space(&in, &space), r->wire.buf + r->wire.start, n);
	proto_in_filled(&in, n);
	got = proto_next(&in, f);
	if (got == 1) {
		r->wire.start += PROTO_HEADER + f->len;
		memcpy(buf, f->data, f->len < size ? f->len : size);
		f->data = buf;
	}
	proto_in_free(&in);
	return got;
}

static int send(struct rig *r, enum proto_type type, enum proto_stream s, const void *p, uint32_t n)
{
	struct frame f = {
	        .len = n, .channel = 1, .type = (uint8_t)type, .flags = (uint8_t)s, .data = p};

	return session_frame(&r->s, &f);
}

static void credit_rules(void)
{
	uint8_t buf[PROTO_MAX], four[4] = {4, 0, 0, 0};
	struct frame f;
	struct rig r;

	rig_up(&r);
	is_int(taken(&r, &f, buf, sizeof buf), 1, "a session begins with a grant");
	is_int(f.type, PROTO_CREDIT, "for its stdin");
	is_int(proto_le32(f.data), SESSION_WINDOW, "of one window");
	is_int(write(r.out, "0123456789", 10), 10, "the process writes");
	turn(&r);
	is_int(taken(&r, &f, buf, sizeof buf), 0, "nothing is sent without credit");
	is_int(send(&r, PROTO_CREDIT, PROTO_OUT, four, 4), 0, "credit comes");
	turn(&r);
	is_int(taken(&r, &f, buf, sizeof buf), 1, "and then there is output");
	is_mem(f.data, f.len, "0123", 4, "exactly as much as was granted");
	turn(&r);
	is_int(taken(&r, &f, buf, sizeof buf), 0, "and no more");
	close(r.out);
	r.out = -1;
	four[0] = 100;
	send(&r, PROTO_CREDIT, PROTO_OUT, four, 4);
	turn(&r);
	is_int(taken(&r, &f, buf, sizeof buf), 1, "the rest comes after the writer has gone");
	is_mem(f.data, f.len, "456789", 6, "whole");
	is_int(taken(&r, &f, buf, sizeof buf), 1, "followed");
	is_int(f.type, PROTO_EOF, "by the end");
	ok(session_drained(&r.s), "and the session is drained");
	rig_down(&r);
}

static void stdin_rules(void)
{
	uint8_t *data = calloc(1, PROTO_MAX), buf[64];
	uint32_t sent = 0;
	struct frame f;
	struct rig r;

	rig_up(&r);
	taken(&r, &f, buf, sizeof buf);
	is_int(send(&r, PROTO_DATA, PROTO_IN, "abc", 3), 0, "input is taken");
	is_int(read(r.in, buf, sizeof buf), 3, "and reaches the process");
	taken(&r, &f, buf, sizeof buf);
	is_int(proto_le32(f.data), 3, "what was written is granted again");
	while (sent + PROTO_MAX <= SESSION_WINDOW &&
	        !send(&r, PROTO_DATA, PROTO_IN, data, PROTO_MAX))
		sent += PROTO_MAX;
	is_int(sent, SESSION_WINDOW, "a whole window fits though nobody reads");
	while (send(&r, PROTO_DATA, PROTO_IN, data, PROTO_MAX) == 0 && sent < 4 * SESSION_WINDOW)
		sent += PROTO_MAX;
	ok(sent < 2 * SESSION_WINDOW, "more than the window and the pipe is a breach");
	close(r.in);
	r.in = -1;
	turn(&r);
	do
		is_int(taken(&r, &f, buf, sizeof buf), 1, "when the reader goes the host is told");
	while (f.type == PROTO_CREDIT);
	is_int(f.type, PROTO_RESET, "by a reset");
	is_int(send(&r, PROTO_DATA, PROTO_IN, data, 5), 0, "and what is under way is dropped");
	rig_down(&r);
	free(data);
}

static void ends(void)
{
	uint8_t buf[64];
	struct frame f;
	struct rig r;

	rig_up(&r);
	taken(&r, &f, buf, sizeof buf);
	send(&r, PROTO_DATA, PROTO_IN, "last", 4);
	is_int(send(&r, PROTO_EOF, PROTO_IN, NULL, 0), 0, "the host ends the input");
	is_int(read(r.in, buf, sizeof buf), 4, "what came before is read first");
	is_int(read(r.in, buf, sizeof buf), 0, "then the end");
	is_int(send(&r, PROTO_RESET, PROTO_OUT, NULL, 0), 0, "the host's reader goes");
	is_int(write(r.out, "x", 1), -1, "and the process gets an error");
	is_int(errno, EPIPE, "which is EPIPE");
	rig_down(&r);
}

int main(void)
{
	signal(SIGPIPE, SIG_IGN);
	credit_rules();
	stdin_rules();
	ends();
	return done();
}
