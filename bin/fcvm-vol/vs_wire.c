/* SPDX-License-Identifier: MIT
 * Messages and words as they come from the wire. */
#include "fuserelay.h"
#include "vs.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

static bool more(struct vs *s, char *buf, size_t *have, size_t want)
{
	ssize_t n;

	do
		n = recv(s->wire, buf + *have, want, 0);
	while (n < 0 && errno == EINTR);
	if (n <= 0)
		return false;
	*have += (size_t)n;
	return true;
}

/* How long what begins in buf is: *word, if it is one of fuserelay.h and no message. 0: not enough
 * is there to tell. -1: the peer breaks the protocol. */
static ssize_t length(const char *buf, size_t have, bool *word)
{
	uint32_t first;

	if (have < sizeof first)
		return 0;
	memcpy(&first, buf, sizeof first);
	*word = !memcmp(buf, FUSERELAY_HELLO, sizeof first);
	if (*word)
		return FUSERELAY_HELLO_N;
	return first < sizeof(struct fuse_in_header) || first > VS_MSG_MAX ? -1 : (ssize_t)first;
}

size_t vs_next_message(struct vs *s, char *buf)
{
	size_t have = s->n_rest, n = 0;
	bool word = false;

	memcpy(buf, s->rest, have);
	s->n_rest = 0;
	for (;;) {
		ssize_t len = length(buf, have, &word);

		if (len < 0)
			return 0;
		n = (size_t)len;
		if (len == 0 || have < n) {
			if (!more(s, buf, &have, n > VS_FIRST ? n - have : VS_FIRST - have))
				return 0;
			continue;
		}
		if (!word)
			break;
		s->again = !memcmp(buf, FUSERELAY_HELLO, 8);
		if (s->again) { /* greet() takes it */
			n = 0;
			break;
		}
		if (!vs_rest_word(s, buf))
			return 0;
		have -= n;
		memmove(buf, buf + n, have);
	}
	s->n_rest = have - n;
	memcpy(s->rest, buf + n, s->n_rest);
	return n;
}

/* With nobody to be kept waiting, waking another thread to read costs more than it gains; who comes
 * while this one works waits for once, and then there are two, and threads enough. */
bool vs_alone(const struct vs *s)
{
	char byte;

	return s->n_rest == 0 && recv(s->wire, &byte, 1, MSG_PEEK | MSG_DONTWAIT) < 0;
}
