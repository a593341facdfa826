/* SPDX-License-Identifier: MIT */
#include "proto.h"
#include "tap.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

static void feed(struct proto_in *in, const void *data, size_t n)
{
	const uint8_t *p = data;

	while (n) {
		size_t space;
		uint8_t *to = proto_in_space(in, &space);
		size_t part = n < space ? n : space;

		memcpy(to, p, part);
		proto_in_filled(in, part);
		p += part;
		n -= part;
	}
}

static void round_trip(void)
{
	struct proto_out out = {0};
	struct proto_in in;
	struct frame f;

	proto_in_init(&in, PROTO_GUEST);
	proto_put(&out, 1, PROTO_DATA, PROTO_ERR, "hello", 5);
	proto_put(&out, 7, PROTO_EOF, PROTO_OUT, NULL, 0);
	proto_put_credit(&out, 300, PROTO_IN, 0x01020304);
	for (size_t i = 0; i + 1 < out.end; i++) { /* byte by byte: frames come only when whole */
		feed(&in, out.buf + i, 1);
		if (i + 1 == PROTO_HEADER + 4)
			is_int(proto_next(&in, &f), 0, "a frame that lacks its last byte waits");
		if (i + 1 == PROTO_HEADER + 5)
			break;
	}
	is_int(proto_next(&in, &f), 1, "a whole frame is handed out");
	is_int(f.channel, 1, "with its channel");
	is_int(frame_stream(&f), PROTO_ERR, "its stream");
	is_mem(f.data, f.len, "hello", 5, "and its bytes");
	feed(&in, out.buf + PROTO_HEADER + 5, out.end - PROTO_HEADER - 5);
	is_int(proto_next(&in, &f), 1, "frames that arrive together are handed out one by one");
	is_int(f.type, PROTO_EOF, "in order");
	is_int(proto_next(&in, &f), 1, "to the last");
	is_int(f.channel, 300, "channels above 255 survive");
	is_int(proto_le32(f.data), 0x01020304, "so do little-endian numbers");
	is_int(proto_next(&in, &f), 0, "and then nothing");
	proto_in_free(&in);
	proto_out_free(&out);
}

static int decoded(enum proto_peer peer, uint32_t len, uint16_t ch, uint8_t type, uint8_t flags)
{
	uint8_t h[PROTO_HEADER] = {(uint8_t)len, (uint8_t)(len >> 8), (uint8_t)(len >> 16),
	        (uint8_t)(len >> 24), (uint8_t)ch, (uint8_t)(ch >> 8), type, flags};
	struct proto_in in;
	struct frame f;
	int r;

	proto_in_init(&in, peer);
	feed(&in, h, sizeof h);
	r = proto_next(&in, &f);
	proto_in_free(&in);
	return r;
}

static void refused(const char *what, uint32_t len, uint16_t ch, uint8_t type, uint8_t flags)
{
	is_int(decoded(PROTO_HOST, len, ch, type, flags), -EPROTO, "refused: %s", what);
	is_int(decoded(PROTO_GUEST, len, ch, type, flags), -EPROTO, "from either side");
}

/* From one side only: 0 (more to come) or 1 is "taken". */
static void only_from(
        enum proto_peer peer, const char *what, uint32_t len, uint8_t type, uint8_t flags)
{
	enum proto_peer other = peer == PROTO_HOST ? PROTO_GUEST : PROTO_HOST;

	ok(decoded(peer, len, 1, type, flags) >= 0, "%s is taken from one side", what);
	is_int(decoded(other, len, 1, type, flags), -EPROTO, "and not from the other");
}

static void directions(void)
{
	only_from(PROTO_HOST, "input", 1, PROTO_DATA, PROTO_IN);
	only_from(PROTO_GUEST, "output", 1, PROTO_DATA, PROTO_OUT);
	only_from(PROTO_GUEST, "the end of an error stream", 0, PROTO_EOF, PROTO_ERR);
	only_from(PROTO_HOST, "credit for output", 4, PROTO_CREDIT, PROTO_OUT);
	only_from(PROTO_GUEST, "credit for input", 4, PROTO_CREDIT, PROTO_IN);
	only_from(PROTO_HOST, "a reset of output", 0, PROTO_RESET, PROTO_ERR);
	only_from(PROTO_GUEST, "a reset of input", 0, PROTO_RESET, PROTO_IN);
	only_from(PROTO_HOST, "a request for a session", 1, PROTO_OPEN, 0);
	only_from(PROTO_HOST, "a size", 4, PROTO_WINSIZE, 0);
	only_from(PROTO_HOST, "a signal", 1, PROTO_SIGNAL, 0);
	only_from(PROTO_HOST, "a close", 0, PROTO_CLOSE, 0);
	only_from(PROTO_GUEST, "an exit report", 1, PROTO_EXIT, 0);
}

static void foreign_frames(void)
{
	refused("type 0", 1, 1, 0, 0);
	refused("an unknown type", 1, 1, PROTO_CLOSE + 1, 0);
	refused("a payload over the limit", PROTO_MAX + 1, 1, PROTO_DATA, 0);
	refused("a payload of 4 GiB", 0xffffffff, 1, PROTO_DATA, 0);
	refused("DATA without bytes", 0, 1, PROTO_DATA, 0);
	refused("DATA on channel 0", 1, 0, PROTO_DATA, 0);
	refused("a control message on a session", 2, 1, PROTO_CONTROL, 0);
	refused("a stream that does not exist", 1, 1, PROTO_DATA, 3);
	refused("unknown flags", 1, 1, PROTO_DATA, 0x10);
	refused("MORE where there is no text", 1, 1, PROTO_DATA, PROTO_MORE);
	refused("a CREDIT of three bytes", 3, 1, PROTO_CREDIT, 0);
	refused("a WINSIZE of five bytes", 5, 1, PROTO_WINSIZE, 0);
}

static void long_text(void)
{
	size_t n = (size_t)3 * PROTO_MAX + 17;
	struct proto_out out = {0};
	struct proto_text t = {0};
	struct proto_in in;
	struct frame f;
	char *text = malloc(n);
	int r = 0, frames = 0;

	memset(text, 'x', n);
	proto_in_init(&in, PROTO_GUEST);
	is_int(proto_put_text(&out, 0, PROTO_CONTROL, text, n), 0, "a long text is queued");
	for (size_t at = 0; at < out.end;) {
		size_t part = out.end - at < 50000 ? out.end - at : 50000;

		feed(&in, out.buf + at, part);
		at += part;
		while (proto_next(&in, &f) == 1) {
			frames++;
			r = proto_text_add(&t, &f);
		}
	}
	is_int(frames, 4, "as four frames");
	is_int(r, 1, "the last of which completes it");
	is_mem(t.buf, t.len, text, n, "unchanged");
	proto_text_clear(&t);
	proto_in_free(&in);
	proto_out_free(&out);
	free(text);
}

static void text_limit(void)
{
	struct frame f = {.len = PROTO_MAX, .type = PROTO_CONTROL, .flags = PROTO_MORE};
	struct proto_text t = {0};
	uint8_t *data = calloc(1, PROTO_MAX);
	int r;

	f.data = data;
	do
		r = proto_text_add(&t, &f);
	while (r == 0 && t.len <= PROTO_TEXT_MAX);
	is_int(r, -EPROTO, "a text that never ends is refused");
	ok(t.len <= PROTO_TEXT_MAX, "before it is larger than the limit");
	proto_text_clear(&t);
	free(data);
}

static void queue(void)
{
	struct proto_out out = {0};
	uint8_t *data = calloc(1, PROTO_MAX);
	size_t sent = 0;
	int p[2], r;

	if (pipe2(p, O_NONBLOCK | O_CLOEXEC) < 0)
		return;
	while ((r = proto_put(&out, 1, PROTO_DATA, 0, data, PROTO_MAX)) == 0)
		sent++;
	is_int(r, -ENOBUFS, "a peer that does not read fills the queue, which is bounded");
	ok(sent * PROTO_MAX <= PROTO_OUT_LIMIT, "by its limit");
	is_int(proto_flush(&out, p[1]), 0, "a full pipe is no error");
	ok(proto_pending(&out), "and the rest stays queued");
	close(p[0]);
	is_int(proto_flush(&out, p[1]), -EPIPE, "a closed one is");
	close(p[1]);
	proto_out_free(&out);
	free(data);
}

int main(void)
{
	signal(SIGPIPE, SIG_IGN);
	round_trip();
	foreign_frames();
	directions();
	long_text();
	text_limit();
	queue();
	return done();
}
