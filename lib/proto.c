/* SPDX-License-Identifier: MIT */
#include "proto.h"
#include "strv.h"

#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

uint16_t proto_le16(const uint8_t *p)
{
	return (uint16_t)(p[0] | p[1] << 8);
}

uint32_t proto_le32(const uint8_t *p)
{
	return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

void proto_in_init(struct proto_in *in, enum proto_peer peer)
{
	*in = (struct proto_in){.peer = peer, .buf = xcalloc(1, PROTO_IN_SIZE)};
}

void proto_in_free(struct proto_in *in)
{
	free(in->buf);
	*in = (struct proto_in){0};
}

uint8_t *proto_in_space(struct proto_in *in, size_t *n)
{
	if (in->start == in->end) {
		in->start = in->end = 0;
	} else if (in->start >= PROTO_IN_SIZE / 2) {
		memmove(in->buf, in->buf + in->start, in->end - in->start);
		in->end -= in->start;
		in->start = 0;
	}
	*n = PROTO_IN_SIZE - in->end;
	return in->buf + in->end;
}

void proto_in_filled(struct proto_in *in, size_t n)
{
	in->end += n;
}

#define BIT(stream) (1U << (stream))
#define OUTPUTS     (BIT(PROTO_OUT) | BIT(PROTO_ERR))
#define PLAIN       BIT(0) /* no stream is meant */

/* What a frame of each type must look like. Who may send it: one bit for each stream that it may be
 * about, by peer. */
static const struct {
	uint32_t min, max;
	bool control; /* on channel 0, otherwise on the others */
	uint8_t may[2];
	uint8_t flags; /* the bits that may be set */
} rules[] = {
        [PROTO_CONTROL] = {1, PROTO_MAX, true, {PLAIN, PLAIN}, PROTO_MORE},
        [PROTO_OPEN] = {1, PROTO_MAX, false, {PLAIN, 0}, PROTO_MORE},
        [PROTO_DATA] = {1, PROTO_MAX, false, {BIT(PROTO_IN), OUTPUTS}, PROTO_STREAM_MASK},
        [PROTO_EOF] = {0, 0, false, {BIT(PROTO_IN), OUTPUTS}, PROTO_STREAM_MASK},
        [PROTO_CREDIT] = {4, 4, false, {OUTPUTS, BIT(PROTO_IN)}, PROTO_STREAM_MASK},
        [PROTO_RESET] = {0, 0, false, {OUTPUTS, BIT(PROTO_IN)}, PROTO_STREAM_MASK},
        [PROTO_WINSIZE] = {4, 4, false, {PLAIN, 0}, 0},
        [PROTO_SIGNAL] = {1, 1, false, {PLAIN, 0}, 0},
        [PROTO_CLOSE] = {0, 0, false, {PLAIN, 0}, 0},
        [PROTO_EXIT] = {1, PROTO_MAX, false, {0, PLAIN}, PROTO_MORE},
};

static bool valid(const struct frame *f, enum proto_peer peer)
{
	if (f->type == 0 || f->type >= sizeof rules / sizeof *rules)
		return false;
	if (f->len < rules[f->type].min || f->len > rules[f->type].max)
		return false;
	if ((f->channel == 0) != rules[f->type].control)
		return false;
	if (f->flags & ~rules[f->type].flags)
		return false;
	return rules[f->type].may[peer] & BIT(f->flags & PROTO_STREAM_MASK);
}

int proto_next(struct proto_in *in, struct frame *f)
{
	const uint8_t *p = in->buf + in->start;
	size_t have = in->end - in->start;

	if (have < PROTO_HEADER)
		return 0;
	*f = (struct frame){.len = proto_le32(p),
	        .channel = proto_le16(p + 4),
	        .type = p[6],
	        .flags = p[7],
	        .data = p + PROTO_HEADER};
	if (!valid(f, in->peer))
		return -EPROTO;
	if (have < PROTO_HEADER + f->len)
		return 0;
	in->start += PROTO_HEADER + f->len;
	return 1;
}

void proto_out_free(struct proto_out *out)
{
	free(out->buf);
	*out = (struct proto_out){0};
}

/* Makes room for n more bytes at out->end. */
static int reserve(struct proto_out *out, size_t n)
{
	size_t used = out->end - out->start;

	if (used + n > PROTO_OUT_LIMIT)
		return -ENOBUFS;
	if (out->start && (used == 0 || out->end + n > out->cap)) {
		memmove(out->buf, out->buf + out->start, used);
		out->start = 0;
		out->end = used;
	}
	if (out->end + n > out->cap) {
		size_t cap = out->cap ? out->cap : 4096;
		uint8_t *bigger;

		while (cap < out->end + n)
			cap *= 2;
		bigger = realloc(out->buf, cap);
		if (!bigger)
			return -ENOBUFS;
		out->buf = bigger;
		out->cap = cap;
	}
	return 0;
}

int proto_put(struct proto_out *out, uint16_t channel, enum proto_type type, uint8_t flags,
        const void *data, size_t n)
{
	uint8_t *p;

	if (n > PROTO_MAX || reserve(out, PROTO_HEADER + n) < 0)
		return -ENOBUFS;
	p = out->buf + out->end;
	for (int i = 0; i < 4; i++)
		p[i] = (uint8_t)(n >> (8 * i));
	p[4] = (uint8_t)channel;
	p[5] = (uint8_t)(channel >> 8);
	p[6] = (uint8_t)type;
	p[7] = flags;
	if (n)
		memcpy(p + PROTO_HEADER, data, n);
	out->end += PROTO_HEADER + n;
	return 0;
}

int proto_put_text(
        struct proto_out *out, uint16_t channel, enum proto_type type, const char *text, size_t n)
{
	/* All of it or nothing: half a text would be taken for the beginning of the next. */
	if (reserve(out, n + (n / PROTO_MAX + 1) * PROTO_HEADER) < 0)
		return -ENOBUFS;
	do {
		size_t part = n < PROTO_MAX ? n : PROTO_MAX;
		int r = proto_put(out, channel, type, part < n ? PROTO_MORE : 0, text, part);

		if (r < 0)
			return r;
		text += part;
		n -= part;
	} while (n);
	return 0;
}

int proto_put_credit(struct proto_out *out, uint16_t channel, enum proto_stream s, uint32_t n)
{
	uint32_t le = htole32(n);

	return proto_put(out, channel, PROTO_CREDIT, (uint8_t)s, &le, sizeof le);
}

int proto_flush(struct proto_out *out, int fd)
{
	while (proto_pending(out)) {
		ssize_t n = write(fd, out->buf + out->start, out->end - out->start);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN ? 0 : -errno;
		out->start += (size_t)n;
	}
	out->start = out->end = 0;
	return 0;
}

int proto_text_add(struct proto_text *t, const struct frame *f)
{
	char *bigger;

	if (f->len > PROTO_TEXT_MAX - t->len)
		return -EPROTO;
	bigger = realloc(t->buf, t->len + f->len + 1);
	if (!bigger)
		return -EPROTO;
	t->buf = bigger;
	memcpy(t->buf + t->len, f->data, f->len);
	t->len += f->len;
	t->buf[t->len] = 0;
	return !(f->flags & PROTO_MORE);
}

void proto_text_clear(struct proto_text *t)
{
	free(t->buf);
	*t = (struct proto_text){0};
}
