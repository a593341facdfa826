/* SPDX-License-Identifier: MIT */
#include "session.h"
#include "cleanup.h"
#include "json.h"
#include "status.h"
#include "strv.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#define WIRE_FULL ((size_t)512 << 10)
#define CHUNK     ((size_t)32 << 10) /* the most a virtio port takes in one write */

void session_init(struct session *s, uint16_t channel, struct loop *l, struct proto_out *wire)
{
	*s = (struct session){.channel = channel, .peer = -1, .loop = l, .wire = wire};
	s->in.fd = s->in.watch.fd = -1;
	for (int i = 0; i < 2; i++) {
		s->out[i].fd = s->out[i].watch.fd = -1;
		s->out[i].stream = i ? PROTO_ERR : PROTO_OUT;
		s->out[i].session = s;
	}
}

static void in_close(struct session *s)
{
	loop_drop(s->loop, &s->in.watch, &s->in.fd);
	free(s->in.buf);
	s->in.buf = NULL;
	s->in.len = 0;
}

static void out_close(struct outflow *o)
{
	loop_drop(o->session->loop, &o->watch, &o->fd);
}

/* A terminal has no end of file: its line discipline makes one of the EOF character, which after an
 * unfinished line only hands that line over, so that it takes two. */
static void in_end(struct session *s)
{
	struct inflow *in = &s->in;
	struct termios t;

	in->ended = true;
	if (!s->tty) {
		in_close(s);
		return;
	}
	if (tcgetattr(in->fd, &t) < 0 || !(t.c_lflag & ICANON))
		return;
	in->buf[in->len++] = t.c_cc[VEOF];
	if (in->last != '\n' && in->last != 0)
		in->buf[in->len++] = t.c_cc[VEOF];
}

static void in_pump(struct session *s)
{
	struct inflow *in = &s->in;
	uint32_t done = 0;

	while (done < in->len) {
		ssize_t n = write(in->fd, in->buf + done, in->len - done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			break;
		if (n < 0) { /* nobody reads any more */
			in_close(s);
			proto_put(s->wire, s->channel, PROTO_RESET, PROTO_IN, NULL, 0);
			return;
		}
		done += (uint32_t)n;
	}
	if (done)
		in->last = in->buf[done - 1];
	memmove(in->buf, in->buf + done, in->len - done);
	in->len -= done;
	if (done && !in->ended) {
		in->granted += done;
		proto_put_credit(s->wire, s->channel, PROTO_IN, done);
	}
	if (in->len == 0 && in->eof && !in->ended)
		in_end(s);
	if (in->fd < 0)
		return;
	loop_want(s->loop, &in->watch, in->len ? EPOLLOUT : 0);
}

static void in_event(void *ctx, uint32_t events)
{
	struct session *s = ctx;

	if (s->in.len) {
		in_pump(s);
		return;
	}
	/* With nothing to write, all that can arrive is that the last reader has closed. */
	if (!s->tty && (events & (EPOLLERR | EPOLLHUP))) {
		in_close(s);
		proto_put(s->wire, s->channel, PROTO_RESET, PROTO_IN, NULL, 0);
	} else {
		loop_remove(s->loop, &s->in.watch);
	}
}

static void out_ready(struct outflow *o)
{
	bool want = o->credit > 0 && o->session->wire->end - o->session->wire->start < WIRE_FULL;

	loop_want(o->session->loop, &o->watch, want ? EPOLLIN : 0);
}

static bool limited(const struct outflow *o)
{
	return o->session->brief && o->session->exited && !o->session->tty;
}

static void out_finish(struct outflow *o)
{
	out_close(o);
	proto_put(o->session->wire, o->session->channel, PROTO_EOF, (uint8_t)o->stream, NULL, 0);
}

static void out_event(void *ctx, uint32_t events)
{
	struct outflow *o = ctx;
	struct session *s = o->session;
	char buf[CHUNK];
	uint64_t want;
	ssize_t n;

	(void)events;
	if (o->credit == 0 || s->wire->end - s->wire->start >= WIRE_FULL) {
		/* HUP is reported whether asked for or not: stop listening until there is room. */
		loop_remove(s->loop, &o->watch);
		return;
	}
	want = o->credit < CHUNK ? o->credit : CHUNK;
	if (limited(o) && o->left < want)
		want = o->left;
	n = read(o->fd, buf, want);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) { /* the end; EIO is a terminal whose last user has gone */
		out_finish(o);
		return;
	}
	o->credit -= (uint64_t)n;
	proto_put(s->wire, s->channel, PROTO_DATA, (uint8_t)o->stream, buf, (size_t)n);
	if (limited(o) && (o->left -= (uint64_t)n) == 0)
		out_finish(o);
	else
		out_ready(o);
}

static void out_listen(struct outflow *o)
{
	if (o->fd < 0)
		return;
	if (o->watch.fd < 0)
		loop_add(o->session->loop, &o->watch, o->fd, 0, out_event, o);
	out_ready(o);
}

int session_streams(struct session *s, int in, int out, int err, bool tty)
{
	s->tty = tty;
	if (tty)
		s->peer = ioctl(out, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
	s->out[0].fd = out;
	s->out[1].fd = err;
	out_listen(&s->out[0]);
	out_listen(&s->out[1]);
	s->in.fd = in;
	if (in < 0)
		return 0;
	s->in.buf = xcalloc(1, SESSION_WINDOW);
	s->in.granted = SESSION_WINDOW;
	if (loop_add(s->loop, &s->in.watch, in, 0, in_event, s) < 0)
		return -errno;
	return proto_put_credit(s->wire, s->channel, PROTO_IN, SESSION_WINDOW);
}

int session_terminal(
        struct session *s, int master, bool interactive, unsigned short rows, unsigned short cols)
{
	struct winsize ws = {.ws_row = rows, .ws_col = cols};

	if (rows && cols)
		ioctl(master, TIOCSWINSZ, &ws);
	fcntl(master, F_SETFL, O_NONBLOCK);
	return session_streams(
	        s, interactive ? fcntl(master, F_DUPFD_CLOEXEC, 3) : -1, master, -1, true);
}

static int in_data(struct session *s, const struct frame *f)
{
	struct inflow *in = &s->in;

	if (frame_stream(f) != PROTO_IN)
		return -EPROTO;
	if (in->fd < 0)
		return 0; /* sent before the host heard that nobody reads */
	if (in->eof || f->len > in->granted)
		return -EPROTO;
	memcpy(in->buf + in->len, f->data, f->len);
	in->len += f->len;
	in->granted -= f->len;
	if (in->watch.fd < 0)
		loop_add(s->loop, &in->watch, in->fd, 0, in_event, s);
	in_pump(s);
	return 0;
}

static int in_eof(struct session *s, const struct frame *f)
{
	if (frame_stream(f) != PROTO_IN)
		return -EPROTO;
	if (s->in.fd < 0)
		return 0;
	s->in.eof = true;
	in_pump(s);
	return 0;
}

static struct outflow *out_of(struct session *s, const struct frame *f)
{
	switch (frame_stream(f)) {
	case PROTO_OUT:
		return &s->out[0];
	case PROTO_ERR:
		return &s->out[1];
	default:
		return NULL;
	}
}

static void resize(struct session *s, const uint8_t *p)
{
	struct winsize ws = {.ws_row = proto_le16(p), .ws_col = proto_le16(p + 2)};

	if (s->tty && s->in.fd >= 0)
		ioctl(s->in.fd, TIOCSWINSZ, &ws);
	else if (s->tty && s->out[0].fd >= 0)
		ioctl(s->out[0].fd, TIOCSWINSZ, &ws);
}

int session_frame(struct session *s, const struct frame *f)
{
	struct outflow *o = out_of(s, f);

	switch (f->type) {
	case PROTO_DATA:
		return in_data(s, f);
	case PROTO_EOF:
		return in_eof(s, f);
	case PROTO_CREDIT:
		if (!o)
			return -EPROTO;
		o->credit += proto_le32(f->data);
		out_listen(o);
		return 0;
	case PROTO_RESET:
		if (!o)
			return -EPROTO;
		out_close(o);
		return 0;
	case PROTO_WINSIZE:
		resize(s, f->data);
		return 0;
	default:
		return -EPROTO;
	}
}

void session_resume(struct session *s)
{
	out_listen(&s->out[0]);
	out_listen(&s->out[1]);
}

void session_rejoin(struct session *s)
{
	for (int i = 0; i < 2; i++) {
		s->out[i].credit = 0;
		out_listen(&s->out[i]);
	}
	if (s->in.fd < 0 || s->in.eof)
		proto_put(s->wire, s->channel, PROTO_RESET, PROTO_IN, NULL, 0);
	else if (s->in.granted)
		proto_put_credit(s->wire, s->channel, PROTO_IN, s->in.granted);
}

bool session_drained(const struct session *s)
{
	return s->out[0].fd < 0 && s->out[1].fd < 0;
}

static void drop_peer(struct session *s)
{
	if (s->peer >= 0)
		close(s->peer);
	s->peer = -1;
}

void session_exited(struct session *s, int wstatus)
{
	s->exited = true;
	s->wstatus = wstatus;
	drop_peer(s);
	for (int i = 0; i < 2; i++) {
		struct outflow *o = &s->out[i];
		int waiting = 0;

		if (o->fd < 0 || !limited(o))
			continue;
		if (ioctl(o->fd, FIONREAD, &waiting) == 0 && waiting > 0)
			o->left = (uint64_t)waiting;
		else
			out_finish(o);
	}
}

void session_close(struct session *s)
{
	drop_peer(s);
	in_close(s);
	out_close(&s->out[0]);
	out_close(&s->out[1]);
}

void session_report(struct session *s, const struct err *failure, bool oom)
{
	auto_json json_t *m = NULL;
	auto_free char *text = NULL;

	if (failure)
		m = json_pack("{s:i, s:s}", "status", failure->status, "error", failure->text);
	else if (WIFSIGNALED(s->wstatus))
		m = json_pack("{s:i, s:i, s:b}", "status", FCVM_EX_SIGNAL + WTERMSIG(s->wstatus),
		        "signal", WTERMSIG(s->wstatus), "oom", (int)oom);
	else
		m = json_pack("{s:i}", "status", WEXITSTATUS(s->wstatus));
	text = json_dumps(m, JSON_COMPACT);
	if (text)
		proto_put_text(s->wire, s->channel, PROTO_EXIT, text, strlen(text));
}
