/* SPDX-License-Identifier: MIT
 * The frame decoder: any bytes, in pieces of any size, decode to frames that encode to the same
 * bytes again, or are refused. */
#include "proto.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Frames come out in the order and with the bytes in which they went in. */
static void check(const struct frame *f, const uint8_t *data, size_t *at)
{
	struct proto_out out = {0};

	if (proto_put(&out, f->channel, (enum proto_type)f->type, f->flags, f->data, f->len) < 0)
		abort();
	if (memcmp(out.buf, data + *at, out.end) != 0)
		abort();
	*at += out.end;
	proto_out_free(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct proto_text text = {0};
	struct proto_in in;
	struct frame f;
	size_t fed = 1, at = 1, piece = size ? (size_t)data[0] * 8 + 1 : 1;
	int r = 0;

	proto_in_init(&in, size && data[0] & 1 ? PROTO_HOST : PROTO_GUEST);
	while (fed < size && r >= 0) {
		size_t space;
		uint8_t *p = proto_in_space(&in, &space);
		size_t n = size - fed < piece ? size - fed : piece;

		if (!space)
			abort();
		if (n > space)
			n = space;
		memcpy(p, data + fed, n);
		proto_in_filled(&in, n);
		fed += n;
		while ((r = proto_next(&in, &f)) == 1) {
			check(&f, data, &at);
			if (f.type == PROTO_CONTROL && proto_text_add(&text, &f) == 1)
				proto_text_clear(&text);
		}
	}
	proto_text_clear(&text);
	proto_in_free(&in);
	return 0;
}
