/* SPDX-License-Identifier: MIT
 * Locks of a saved session. Which there are is the kernel's knowledge, proc(5), fdinfo. In a clone
 * they are taken once more; where another has them by then, usually the machine that was saved,
 * whoever relied on them must not go on: what it does with the file fails with EIO, as NFS has it.
 */
#include "cleanup.h"
#include "strv.h"
#include "vs_locks.h"
#include "vs_save.h"
#include "xio.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>

#define FDINFO_MAX (4U << 20)
#define RANGES_MAX 65536

static char *fdinfo(int fd)
{
	char name[40], *text;
	size_t n;

	/* The current directory is /proc/self/fd. */
	snprintf(name, sizeof name, "../fdinfo/%d", fd);
	return read_file_at(AT_FDCWD, name, FDINFO_MAX, &text, &n) < 0 ? NULL : text;
}

struct found {
	const char *kind;
	uint32_t type;
	uint64_t start, end; /* inclusive; UINT64_MAX: to whatever end there is */
};

/* The next lock of that kind in *at, "lock:\t1: OFDLCK  ADVISORY  WRITE -1 00:2f:1234 0 99". */
static bool next_lock(const char **at, const char *kind, struct found *f)
{
	while ((*at = strstr(*at, "lock:\t"))) {
		char word[16], type[16], end[24];
		unsigned long long start;
		int n = sscanf(*at, "lock:\t%*d: %15s %*s %15s %*d %*s %llu %23s", word, type,
		        &start, end);

		*at += 6;
		if (n != 4 || strcmp(word, kind) != 0)
			continue;
		f->type = !strcmp(type, "WRITE") ? F_WRLCK : F_RDLCK;
		f->start = start;
		f->end = !strcmp(end, "EOF") ? UINT64_MAX : strtoull(end, NULL, 10);
		return true;
	}
	return false;
}

uint32_t vs_flock_of(const struct vs_handle *h)
{
	auto_free char *text = h->flocked && h->fd >= 0 ? fdinfo(h->fd) : NULL;
	const char *at = text;
	struct found f;

	return text && next_lock(&at, "FLOCK", &f) ? f.type : F_UNLCK;
}

static void save_owner(const struct vs_node *n, const struct vs_lock_owner *o, struct vs_pack *p)
{
	auto_free char *text = fdinfo(o->fd);
	const char *at = text;
	uint32_t count = 0;
	struct found f;
	size_t gap;

	vs_put_u64(p, n->id);
	vs_put_u64(p, o->owner);
	gap = vs_put_gap(p);
	while (text && next_lock(&at, "OFDLCK", &f)) {
		vs_put_u32(p, f.type);
		vs_put_u64(p, f.start);
		vs_put_u64(p, f.end);
		count++;
	}
	vs_fill_gap(p, gap, count);
}

static void save_wait(const struct vs_wait *w, struct vs_pack *p)
{
	vs_put_u64(p, w->unique);
	/* One whose lock has come just now: only the answer is missing. */
	vs_put_u32(p, w->over ? 1 : 0);
	vs_put_u32(p, w->over ? (uint32_t)-w->result : 0);
	vs_put_u64(p, w->over ? 0 : w->node->id);
	vs_put_u64(p, w->over || !w->handle ? 0 : w->handle->id);
	vs_put_u64(p, w->over || !w->owner ? 0 : w->owner->owner);
	vs_put_u32(p, (uint32_t)w->lock.l_type);
	vs_put_u64(p, (uint64_t)w->lock.l_start);
	vs_put_u64(p, (uint64_t)w->lock.l_len);
}

void vs_locks_save(struct vs *s, struct vs_pack *p)
{
	size_t gap = vs_put_gap(p);
	uint32_t count = 0;

	pthread_mutex_lock(&s->locks.lock);
	for (uint32_t i = 0; i < s->nodes.n_slots; i++) {
		const struct vs_node *n = s->nodes.slots[i];

		for (const struct vs_lock_owner *o = n && n->lookups ? n->owners : NULL; o;
		        o = o->next, count++)
			save_owner(n, o, p);
	}
	vs_fill_gap(p, gap, count);
	gap = vs_put_gap(p);
	count = 0;
	for (const struct vs_wait *w = s->locks.waits; w; w = w->next)
		if (!w->sent) {
			save_wait(w, p);
			count++;
		}
	vs_fill_gap(p, gap, count);
	pthread_mutex_unlock(&s->locks.lock);
}

/* --- once more ------------------------------------------------------------------------------- */

bool vs_flock_again(const struct vs_handle *h, uint32_t type)
{
	return flock(h->fd, (type == F_WRLCK ? LOCK_EX : LOCK_SH) | LOCK_NB) == 0;
}

/* Everybody who had the file open: which of them relied on the lock is not known. */
static void fail_handles(struct vs *s, uint64_t node)
{
	pthread_mutex_lock(&s->handles.lock);
	for (uint32_t i = 0; i < s->handles.n_slots; i++) {
		struct vs_handle *h = s->handles.slots[i];

		if (h && h->node == node && !h->error)
			h->error = -EIO;
	}
	pthread_mutex_unlock(&s->handles.lock);
}

static bool lock_range(const struct vs_lock_owner *o, uint32_t type, uint64_t start, uint64_t end)
{
	struct flock l = {.l_type = type == F_WRLCK ? F_WRLCK : F_RDLCK,
	        .l_start = (off_t)start,
	        .l_len = end >= INT64_MAX ? 0 : (off_t)(end - start + 1)};

	return start <= INT64_MAX && end >= start && fcntl(o->fd, F_OFD_SETLK, &l) == 0;
}

static void load_owner(struct vs *s, struct vs_unpack *u, struct vs_loss *loss)
{
	struct vs_node *n = vs_node_get(&s->nodes, vs_get_u64(u));
	uint64_t owner = vs_get_u64(u);
	uint32_t count = vs_get_u32(u);
	struct vs_lock_owner *o = NULL;
	bool all = true;

	if (!n || count > RANGES_MAX)
		u->bad = true;
	pthread_mutex_lock(&s->locks.lock);
	if (!u->bad && vs_take_owner(s, n, owner, true, &o) < 0)
		all = false;
	for (uint32_t i = 0; i < count && !u->bad; i++) {
		uint32_t type = vs_get_u32(u);
		uint64_t start = vs_get_u64(u), end = vs_get_u64(u);

		if (o && all && !lock_range(o, type, start, end))
			all = false;
	}
	if (o)
		vs_release_owner(s, o);
	pthread_mutex_unlock(&s->locks.lock);
	if (n && !all && !u->bad && count) {
		vs_locks_drop(s, n, owner);
		fail_handles(s, n->id);
		loss->locks++;
	}
	vs_node_put(&s->nodes, n);
}

static void answer(struct vs *s, uint64_t unique, int result)
{
	char msg[sizeof(struct fuse_out_header)] __attribute__((aligned(8)));

	vs_send(s, unique, result, msg, 0);
}

static int wait_again(
        struct vs *s, const struct vs_wait *like, uint64_t node, uint64_t handle, uint64_t owner)
{
	struct vs_wait *w = xcalloc(1, sizeof *w);
	int r = 0;

	*w = *like;
	w->node = vs_node_get(&s->nodes, node);
	if (!w->node) {
		r = -ESTALE;
	} else if (handle) {
		w->handle = vs_handle_get(&s->handles, handle, node, false);
		if (!w->handle)
			w->handle = vs_handle_get(&s->handles, handle, node, true);
		if (!w->handle)
			r = vs_handle_error(&s->handles, handle);
	} else {
		pthread_mutex_lock(&s->locks.lock);
		r = vs_take_owner(s, w->node, owner, true, &w->owner);
		pthread_mutex_unlock(&s->locks.lock);
	}
	if (r == 0)
		r = vs_start_waiter(w);
	if (r < 0)
		vs_drop_wait(w);
	return r;
}

static void load_wait(struct vs *s, struct vs_unpack *u)
{
	struct vs_wait w = {.s = s, .unique = vs_get_u64(u)};
	uint32_t over = vs_get_u32(u), error = vs_get_u32(u);
	uint64_t node = vs_get_u64(u), handle = vs_get_u64(u), owner = vs_get_u64(u);
	int r;

	w.lock.l_type = (short)vs_get_u32(u);
	w.lock.l_start = (off_t)vs_get_u64(u);
	w.lock.l_len = (off_t)vs_get_u64(u);
	if (error > 4095 || (w.lock.l_type != F_RDLCK && w.lock.l_type != F_WRLCK) ||
	        w.lock.l_start < 0 || w.lock.l_len < 0)
		u->bad = true;
	if (u->bad)
		return;
	r = over ? -(int)error : wait_again(s, &w, node, handle, owner);
	if (over || r < 0)
		answer(s, w.unique, r);
}

void vs_locks_load(struct vs *s, struct vs_unpack *u, struct vs_loss *loss)
{
	uint32_t count = vs_get_u32(u);

	if (count > OWNERS_MAX)
		u->bad = true;
	for (uint32_t i = 0; i < count && !u->bad; i++)
		load_owner(s, u, loss);
	count = vs_get_u32(u);
	for (uint32_t i = 0; i < count && !u->bad; i++)
		load_wait(s, u);
}
