/* SPDX-License-Identifier: MIT
 * Locks are really taken on the host, so that they hold between VMs and against the host's own
 * programs. A guest's lock owner is a process (POSIX locks) or an open file (flock); here a POSIX
 * owner is an open file description of its own, with OFD locks, and flock's is the handle's. Who
 * has to wait does so in a thread of its own: the request threads must be free for who will unlock.
 */
#include "vs_locks.h"
#include "cleanup.h"
#include "strv.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

#define WAITS_MAX 1024
#define STACK     65536

void vs_locks_init(struct vs *s)
{
	s->locks = (struct vs_locks){0};
	pthread_mutex_init(&s->locks.lock, NULL);
	pthread_cond_init(&s->locks.idle, NULL);
}

static void free_owner(struct vs *s, struct vs_lock_owner *o)
{
	close(o->fd);
	free(o);
	s->locks.n_owners--;
}

void vs_release_owner(struct vs *s, struct vs_lock_owner *o)
{
	if (--o->users == 0 && o->dropped)
		free_owner(s, o);
}

/* A description of the owner's own, with as many rights as the file gives. */
static int open_for_locks(struct vs *s, struct vs_node *n)
{
	int fd = s->readonly ? -EROFS : vs_reopen(s, n, O_RDWR);

	if (fd < 0)
		fd = vs_reopen(s, n, O_RDONLY);
	return fd < 0 ? vs_reopen(s, n, O_WRONLY) : fd;
}

int vs_take_owner(
        struct vs *s, struct vs_node *n, uint64_t owner, bool make, struct vs_lock_owner **out)
{
	struct vs_lock_owner *o;
	int fd;

	for (o = n->owners; o && o->owner != owner; o = o->next)
		;
	if (!o && !make)
		return -ENOENT;
	if (!o) {
		if (s->locks.n_owners >= OWNERS_MAX)
			return -ENOLCK;
		if (!n->owners && !vs_node_get(&s->nodes, n->id))
			return -ENOENT;
		fd = open_for_locks(s, n);
		if (fd < 0 && !n->owners)
			vs_node_put(&s->nodes, n);
		if (fd < 0)
			return fd == -ENXIO || fd == -EISDIR ? -EINVAL : fd;
		o = xcalloc(1, sizeof *o);
		o->owner = owner;
		o->fd = fd;
		o->next = n->owners;
		n->owners = o;
		s->locks.n_owners++;
	}
	o->users++;
	*out = o;
	return 0;
}

void vs_locks_drop(struct vs *s, struct vs_node *n, uint64_t owner)
{
	struct vs_lock_owner **at, *o;
	bool last = false;

	pthread_mutex_lock(&s->locks.lock);
	for (at = &n->owners; *at && (*at)->owner != owner; at = &(*at)->next)
		;
	o = *at;
	if (o) {
		*at = o->next;
		last = !n->owners;
		o->dropped = true;
		o->users++;
		vs_release_owner(s, o);
	}
	pthread_mutex_unlock(&s->locks.lock);
	if (last)
		vs_node_put(&s->nodes, n);
}

static int range(const struct fuse_file_lock *in, struct flock *out)
{
	if (in->start > INT64_MAX || in->end < in->start)
		return -EINVAL;
	*out = (struct flock){.l_type = (short)in->type,
	        .l_whence = SEEK_SET,
	        .l_start = (off_t)in->start,
	        .l_len = in->end >= INT64_MAX ? 0 : (off_t)(in->end - in->start + 1)};
	return in->type == F_RDLCK || in->type == F_WRLCK || in->type == F_UNLCK ? 0 : -EINVAL;
}

int vs_getlk(struct vs_req *r)
{
	const struct fuse_lk_in *in = (const void *)r->arg;
	struct fuse_lk_out *out = (struct fuse_lk_out *)r->body;
	struct vs_lock_owner *o = NULL;
	struct flock l;
	int result = range(&in->lk, &l);

	if (result < 0)
		return result;
	pthread_mutex_lock(&r->s->locks.lock);
	result = vs_take_owner(r->s, r->node, in->owner, true, &o);
	if (result == 0) {
		if (fcntl(o->fd, F_OFD_GETLK, &l) < 0)
			result = -errno;
		vs_release_owner(r->s, o);
	}
	pthread_mutex_unlock(&r->s->locks.lock);
	if (result < 0)
		return result;
	*out = (struct fuse_lk_out){.lk = {.type = (uint32_t)l.l_type}};
	if (l.l_type != F_UNLCK)
		out->lk = (struct fuse_file_lock){(uint64_t)l.l_start,
		        l.l_len ? (uint64_t)(l.l_start + l.l_len - 1) : INT64_MAX,
		        (uint32_t)l.l_type, 0};
	return sizeof *out;
}

/* --- waiting --------------------------------------------------------------------------------- */

static int flock_op(const struct flock *l)
{
	return l->l_type == F_RDLCK ? LOCK_SH : l->l_type == F_WRLCK ? LOCK_EX : LOCK_UN;
}

static int lock_now(const struct vs_wait *w, bool wait)
{
	struct flock l = w->lock;
	int result;

	if (w->handle)
		result = flock(w->handle->fd, flock_op(&l) | (wait ? 0 : LOCK_NB));
	else
		result = fcntl(w->owner->fd, wait ? F_OFD_SETLKW : F_OFD_SETLK, &l);
	if (result == 0)
		return 0;
	/* The description could not be opened for what the lock demands. */
	return errno == EBADF ? -EACCES : errno == EACCES ? -EAGAIN : -errno;
}

static void let_go(struct vs_wait *w)
{
	struct vs *s = w->s;

	if (w->owner) {
		pthread_mutex_lock(&s->locks.lock);
		vs_release_owner(s, w->owner);
		pthread_mutex_unlock(&s->locks.lock);
	}
	vs_handle_put(&s->handles, w->handle);
	vs_node_put(&s->nodes, w->node);
}

void vs_drop_wait(struct vs_wait *w)
{
	let_go(w);
	free(w);
}

/* It stays in the list until its answer is on its way, so that one who saves the session finds it
 * in one of the two places. */
static void *waiter(void *arg)
{
	struct vs_wait *w = arg;
	struct vs *s = w->s;
	char msg[sizeof(struct fuse_out_header)] __attribute__((aligned(8)));
	int result;

	do
		result = lock_now(w, true);
	while (result == -EINTR && !__atomic_load_n(&w->interrupted, __ATOMIC_SEQ_CST));
	pthread_mutex_lock(&s->locks.lock);
	w->over = true;
	w->result = result;
	pthread_mutex_unlock(&s->locks.lock);
	let_go(w);
	vs_send_once(s, w->unique, result, msg, &w->sent);
	pthread_mutex_lock(&s->locks.lock);
	*w->at = w->next;
	if (w->next)
		w->next->at = w->at;
	free(w);
	if (--s->locks.n_waits == 0)
		pthread_cond_broadcast(&s->locks.idle);
	pthread_mutex_unlock(&s->locks.lock);
	return NULL;
}

int vs_start_waiter(struct vs_wait *w)
{
	struct vs_locks *l = &w->s->locks;
	pthread_attr_t attr;
	int r = EAGAIN;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	pthread_mutex_lock(&l->lock);
	if (l->n_waits < WAITS_MAX && !atomic_load(&w->s->ended))
		r = pthread_create(&w->thread, &attr, waiter, w);
	if (r == 0) {
		w->next = l->waits;
		w->at = &l->waits;
		if (l->waits)
			l->waits->at = &w->next;
		l->waits = w;
		l->n_waits++;
	}
	pthread_mutex_unlock(&l->lock);
	pthread_attr_destroy(&attr);
	return r == 0 ? 0 : -ENOLCK;
}

/* Whoever waits is interrupted until it has noticed: a signal that comes before its system call has
 * no effect. */
bool vs_locks_interrupt(struct vs *s, uint64_t unique)
{
	const struct timespec pause = {.tv_nsec = 500000};
	bool found = false;

	for (;;) {
		struct vs_wait *w;

		pthread_mutex_lock(&s->locks.lock);
		for (w = s->locks.waits; w && (w->over || (unique && w->unique != unique));
		        w = w->next)
			;
		if (w) {
			__atomic_store_n(&w->interrupted, true, __ATOMIC_SEQ_CST);
			pthread_kill(w->thread, SIGUSR1);
		}
		pthread_mutex_unlock(&s->locks.lock);
		if (!w)
			return found;
		found = true;
		nanosleep(&pause, NULL);
	}
}

void vs_locks_stop(struct vs *s)
{
	vs_locks_interrupt(s, 0);
	pthread_mutex_lock(&s->locks.lock);
	while (s->locks.n_waits)
		pthread_cond_wait(&s->locks.idle, &s->locks.lock);
	pthread_mutex_unlock(&s->locks.lock);
	for (uint32_t i = 0; i < s->nodes.n_slots; i++)
		while (s->nodes.slots[i] && s->nodes.slots[i]->owners)
			vs_locks_drop(s, s->nodes.slots[i], s->nodes.slots[i]->owners->owner);
	pthread_cond_destroy(&s->locks.idle);
	pthread_mutex_destroy(&s->locks.lock);
}

/* --- the requests ---------------------------------------------------------------------------- */

static struct vs_wait *prepare(struct vs_req *r, const struct fuse_lk_in *in, int *result)
{
	struct vs_wait *w = xcalloc(1, sizeof *w);

	w->s = r->s;
	w->unique = r->h->unique;
	*result = range(&in->lk, &w->lock);
	if (*result < 0) {
		free(w);
		return NULL;
	}
	w->node = vs_node_get(&r->s->nodes, r->h->nodeid);
	if (in->lk_flags & FUSE_LK_FLOCK) {
		w->handle = vs_handle_get(&r->s->handles, in->fh, r->h->nodeid, false);
		if (!w->handle)
			w->handle = vs_handle_get(&r->s->handles, in->fh, r->h->nodeid, true);
		*result = w->handle ? 0 : vs_handle_error(&r->s->handles, in->fh);
		if (w->handle)
			w->handle->flocked = true;
	} else {
		pthread_mutex_lock(&r->s->locks.lock);
		*result = vs_take_owner(
		        r->s, r->node, in->owner, w->lock.l_type != F_UNLCK, &w->owner);
		pthread_mutex_unlock(&r->s->locks.lock);
	}
	if (*result == 0)
		return w;
	if (*result == -ENOENT)
		*result = 0; /* nothing is locked */
	vs_drop_wait(w);
	return NULL;
}

static int set_lock(struct vs_req *r, bool wait)
{
	int result;
	struct vs_wait *w = prepare(r, (const void *)r->arg, &result);

	if (!w)
		return result;
	result = lock_now(w, false);
	if (wait && (result == -EAGAIN || result == -EWOULDBLOCK)) {
		result = vs_start_waiter(w);
		if (result == 0)
			return VS_NO_REPLY;
	}
	vs_drop_wait(w);
	return result;
}

int vs_setlk(struct vs_req *r)
{
	return set_lock(r, false);
}

int vs_setlkw(struct vs_req *r)
{
	return set_lock(r, true);
}

int vs_interrupt(struct vs_req *r)
{
	const struct fuse_interrupt_in *in = (const void *)r->arg;

	if (in->unique)
		vs_locks_interrupt(r->s, in->unique);
	return VS_NO_REPLY;
}
