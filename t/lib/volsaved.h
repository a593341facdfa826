/* SPDX-License-Identifier: MIT
 * For tests of saved sessions: a client that has its session saved. */
#ifndef FCVM_VOLSAVED_H
#define FCVM_VOLSAVED_H

#include "cleanup.h"
#include "fuserelay.h"
#include "tap.h"
#include "volclient.h"

#include <fcvm-vol/vs_save.h>

#include <sys/mman.h>

struct told {
	uint64_t inode[64];
	struct {
		uint64_t dir;
		char name[64];
	} entry[64];
	size_t inodes, entries;
	bool word; /* and then the word */
};

static inline void word(struct client *c, const char *name)
{
	char text[FUSERELAY_HELLO_N] = {0};

	memcpy(text, name, 8);
	put(c, text, sizeof text);
}

/* All that comes before the word. Answers are noted as the client's last. */
static inline struct told until_word(struct client *c, const char *name)
{
	struct told t = {.inodes = 0};
	struct fuse_out_header h;

	while (take(c, &h, sizeof h)) {
		const struct fuse_notify_inval_inode_out *inode = (const void *)c->in;
		const struct fuse_notify_inval_entry_out *entry = (const void *)c->in;

		t.word = !memcmp(&h, name, 8);
		if (t.word || h.len < sizeof h || !take(c, c->in, h.len - sizeof h))
			break;
		if (h.unique == 0 && h.error == FUSE_NOTIFY_INVAL_INODE && t.inodes < 64)
			t.inode[t.inodes++] = inode->ino;
		if (h.unique == 0 && h.error == FUSE_NOTIFY_INVAL_ENTRY && t.entries < 64) {
			t.entry[t.entries].dir = entry->parent;
			snprintf(t.entry[t.entries++].name, 64, "%s", (const char *)(entry + 1));
		}
		if (h.unique)
			c->error = h.error;
	}
	return t;
}

static inline bool told_inode(const struct told *t, uint64_t id)
{
	for (size_t i = 0; i < t->inodes; i++)
		if (t->inode[i] == id)
			return true;
	return false;
}

static inline bool told_entry(const struct told *t, uint64_t dir, const char *name)
{
	for (size_t i = 0; i < t->entries; i++)
		if (t->entry[i].dir == dir && !strcmp(t->entry[i].name, name))
			return true;
	return false;
}

static inline uint64_t open_it(struct client *c, uint64_t node, uint32_t opcode, uint32_t flags)
{
	const struct fuse_open_out *out = ask(c, opcode, node,
	        &(struct fuse_open_in){.flags = flags}, sizeof(struct fuse_open_in));

	return out && !c->error ? out->fh : 0;
}

static inline const char *read_it(struct client *c, uint64_t node, uint64_t fh)
{
	const struct fuse_read_in in = {.fh = fh, .size = 100};

	memset(c->in, 0, 101);
	return ask(c, FUSE_READ, node, &in, sizeof in);
}

static inline void write_it(struct client *c, uint64_t node, uint64_t fh, const char *text)
{
	char body[200];
	const struct fuse_write_in in = {.fh = fh, .size = (uint32_t)strlen(text)};

	memcpy(body, &in, sizeof in);
	memcpy(body + sizeof in, text, strlen(text));
	ask(c, FUSE_WRITE, node, body, sizeof in + strlen(text));
}

static inline void lock_it(struct client *c, uint64_t node, uint64_t fh, bool posix, bool wait)
{
	const struct fuse_lk_in in = {.fh = fh,
	        .owner = 7,
	        .lk = {.start = 10, .end = posix ? 19 : INT64_MAX, .type = F_WRLCK},
	        .lk_flags = posix ? 0 : FUSE_LK_FLOCK};

	if (wait)
		say(c, FUSE_SETLKW, node, &in, sizeof in);
	else
		ask(c, FUSE_SETLK, node, &in, sizeof in);
}

/* A saved session in a file. */
static inline int save(struct client *c, ssize_t *size)
{
	int fd = memfd_create("saved", MFD_CLOEXEC);
	struct told t;

	word(c, FUSERELAY_REST);
	t = until_word(c, FUSERELAY_REST);
	ok(t.word, "the session comes to rest");
	*size = vs_save(&c->vs, fd, 0);
	return fd;
}

static inline void *content(int fd, ssize_t size)
{
	void *data = malloc((size_t)size + 1);

	if (!data || pread(fd, data, (size_t)size, 0) != size)
		abort();
	close(fd);
	return data;
}

static inline void write_file(const struct tmpdir *d, const char *path, const char *text)
{
	if (put_file_at(d->fd, path, text, strlen(text), 0644) < 0)
		abort();
}

#endif
