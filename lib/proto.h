/* SPDX-License-Identifier: MIT
 * The wire between fcvm-boot and the guest agent: fcvm-proto(7). One encoder and one decoder, used
 * by both ends; neither trusts the other.
 *
 * A frame is le32 payload length, le16 channel, u8 type, u8 flags, payload of at most PROTO_MAX
 * bytes. Channel 0 carries control messages, every other channel is a session: a process with its
 * standard streams. DATA is sent only against credit that the receiver of the stream granted. */
#ifndef FCVM_PROTO_H
#define FCVM_PROTO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PROTO_VERSION 4
#define PROTO_HEADER  8
#define PROTO_MAX     65536

enum proto_type {
	PROTO_CONTROL = 1, /* JSON, channel 0 only */
	PROTO_OPEN = 2,    /* JSON, host to guest: start a session */
	PROTO_DATA = 3,    /* bytes of a stream */
	PROTO_EOF = 4,     /* the sender will send no more on this stream */
	PROTO_CREDIT = 5,  /* le32: the receiver takes that many more bytes of this stream */
	PROTO_RESET = 6,   /* the receiver of this stream is gone: the sender gets EPIPE */
	PROTO_WINSIZE = 7, /* le16 rows, le16 columns */
	PROTO_SIGNAL = 8,  /* u8 signal number, for the session's process */
	PROTO_EXIT = 9,    /* JSON, guest to host: the session ended; last frame of its channel */
	PROTO_CLOSE = 10   /* host to guest: nobody is left for this session: kill its processes */
};

enum proto_stream { PROTO_IN = 0, PROTO_OUT = 1, PROTO_ERR = 2, PROTO_STREAMS = 3 };

/* flags: the stream in the low two bits; MORE on JSON types: the text goes on in the next frame
 * of this channel and type. */
#define PROTO_STREAM_MASK 0x03
#define PROTO_MORE        0x80

struct frame {
	uint32_t len;
	uint16_t channel;
	uint8_t type;
	uint8_t flags;
	const uint8_t *data; /* into the decoder's buffer: valid until its next call */
};

static inline enum proto_stream frame_stream(const struct frame *f)
{
	return (enum proto_stream)(f->flags & PROTO_STREAM_MASK);
}

/* Who sends what a decoder reads. On a control socket the VM is the guest's side. */
enum proto_peer { PROTO_HOST, PROTO_GUEST };

/* The decoder: bytes in, checked frames out. */
struct proto_in {
	enum proto_peer peer;
	uint8_t *buf; /* capacity PROTO_IN_SIZE, allocated by proto_in_init() */
	size_t start, end;
};
#define PROTO_IN_SIZE ((size_t)2 * (PROTO_HEADER + PROTO_MAX))

void proto_in_init(struct proto_in *in, enum proto_peer peer);
void proto_in_free(struct proto_in *in);
/* Where to put the next bytes: at least one byte of space after proto_next() returned 0. */
uint8_t *proto_in_space(struct proto_in *in, size_t *n);
void proto_in_filled(struct proto_in *in, size_t n);
/* 1: *f is the next frame; 0: more bytes are needed; -EPROTO: this is not the protocol, and the
 * connection must be given up. Checks length, type, channel, fixed payload sizes, and that this
 * peer may send that type for that stream. */
int proto_next(struct proto_in *in, struct frame *f);

/* The encoder: frames are queued and written as the descriptor takes them. */
struct proto_out {
	uint8_t *buf;
	size_t start, end, cap;
};
#define PROTO_OUT_LIMIT ((size_t)16 << 20) /* a peer that does not read: proto_put() fails */

void proto_out_free(struct proto_out *out);
/* Queues one frame (n <= PROTO_MAX). 0, or -ENOBUFS over PROTO_OUT_LIMIT. */
int proto_put(struct proto_out *out, uint16_t channel, enum proto_type type, uint8_t flags,
        const void *data, size_t n);
/* Queues a JSON text of any length as frames with PROTO_MORE. */
int proto_put_text(
        struct proto_out *out, uint16_t channel, enum proto_type type, const char *text, size_t n);
int proto_put_credit(struct proto_out *out, uint16_t channel, enum proto_stream s, uint32_t n);
/* Writes what the (non-blocking) descriptor takes: 0 or -errno, never -EAGAIN. */
int proto_flush(struct proto_out *out, int fd);
static inline bool proto_pending(const struct proto_out *out)
{
	return out->end > out->start;
}

/* Collects the pieces of a JSON text. */
struct proto_text {
	char *buf;
	size_t len;
};
#define PROTO_TEXT_MAX ((size_t)4 << 20)

/* Adds a frame's payload. 1: complete, t->buf (NUL-terminated) and t->len are the text until
 * proto_text_clear(); 0: more to come; -EPROTO: longer than PROTO_TEXT_MAX. */
int proto_text_add(struct proto_text *t, const struct frame *f);
void proto_text_clear(struct proto_text *t);

uint16_t proto_le16(const uint8_t *p);
uint32_t proto_le32(const uint8_t *p);

#endif
