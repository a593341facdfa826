/* SPDX-License-Identifier: MIT
 * A session of a hostile guest with the server of a volume: whatever it says, the server reads
 * nothing beyond the message, and a file beside the share stays as it is. The first byte chooses
 * how it is served; then come records: opcode, node, what to do with the length, two bytes of
 * length, and the rest of the message. */
#include "fuzzshare.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define RECORD  5
#define HANDLES 4

struct message {
	struct fuse_in_header h;
	char body[8192];
};

static void release(struct vs *s)
{
	(void)s;
}

static bool say(struct vs *s, struct message *m, size_t n, uint32_t claimed)
{
	/* An exact allocation lets the sanitizer see a read past the end. */
	char *exact = malloc(n), *out = malloc(VS_MSG_MAX);
	bool ok;

	if (!exact || !out)
		abort();
	m->h.len = claimed;
	memcpy(exact, m, n);
	ok = vs_message(s, exact, n, out, release);
	free(exact);
	free(out);
	return ok;
}

static bool init(struct vs *s)
{
	struct message m = {.h = {.opcode = FUSE_INIT, .unique = 1}};
	const struct fuse_init_in in = {.major = 7, .minor = 38, .flags = ~0U};

	memcpy(m.body, &in, sizeof in);
	return say(s, &m, sizeof m.h + sizeof in, sizeof m.h + sizeof in);
}

/* Handles and nodes are small numbers, so that some exist. */
static void fix_handle(struct vs *s, struct message *m, size_t n)
{
	uint64_t fh;

	if (n < sizeof fh)
		return;
	memcpy(&fh, m->body, sizeof fh);
	for (uint32_t i = 0; i < s->handles.n_slots && i < HANDLES; i++)
		if (fh % HANDLES == i && s->handles.slots[i])
			memcpy(m->body, &s->handles.slots[i]->id, sizeof fh);
}

static void talk(struct vs *s, const uint8_t *data, size_t size)
{
	while (size >= RECORD) {
		size_t n = (size_t)(data[3] | data[4] << 8);
		struct message m = {.h = {.opcode = data[0], .nodeid = data[1], .unique = 2}};
		uint32_t claimed;

		if (n > size - RECORD)
			n = size - RECORD;
		if (n > sizeof m.body)
			n = sizeof m.body;
		memcpy(m.body, data + RECORD, n);
		claimed = (uint32_t)(sizeof m.h + n + (data[2] == 1));
		if (data[2] & 2)
			fix_handle(s, &m, n);
		data += RECORD + n;
		size -= RECORD + n;
		/* Waiting for ever is what this asks for, and flags may make files that nobody can
		 * remove. */
		if (m.h.opcode == FUSE_SETLKW || m.h.opcode == FUSE_IOCTL)
			continue;
		if (!say(s, &m, sizeof m.h + n, claimed))
			return;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct share sh;

	share_begin(&sh, VS_CACHE_ALWAYS, size && data[0] & 1);
	if (vs_open_session(&sh.s) < 0)
		abort();
	atomic_store(&sh.s.ended, true); /* nobody reads the answers */
	if (size && ((data[0] & 2) || init(&sh.s)))
		talk(&sh.s, data + 1, size - 1);
	vs_close_session(&sh.s);
	share_end(&sh);
	return 0;
}
