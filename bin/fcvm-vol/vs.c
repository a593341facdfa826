/* SPDX-License-Identifier: MIT
 * A session on the wire: one message after the other is read by whichever thread is free, which
 * lets the next thread read while it works. */
#include "vs.h"
#include "cleanup.h"
#include "fuserelay.h"
#include "xio.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

/* --- answers --------------------------------------------------------------------------------- */

/* A wire that does not take it is one whose peer is gone: the reader finds out. */
void vs_put(struct vs *s, const char *msg, size_t n)
{
	if (s->rest_state.resting) {
		vs_rest_keep(s, msg, n);
		return;
	}
	while (n > 0 && !atomic_load(&s->ended)) {
		ssize_t w = send(s->wire, msg, n, MSG_NOSIGNAL);

		if (w < 0 && errno == EINTR)
			continue;
		if (w <= 0)
			return;
		msg += w;
		n -= (size_t)w;
	}
}

static void head(char *msg, uint64_t unique, int error, size_t body)
{
	*(struct fuse_out_header *)msg = (struct fuse_out_header){
	        (uint32_t)(sizeof(struct fuse_out_header) + body), error, unique};
}

void vs_send(struct vs *s, uint64_t unique, int error, char *msg, size_t body)
{
	head(msg, unique, error, body);
	pthread_mutex_lock(&s->out);
	vs_put(s, msg, sizeof(struct fuse_out_header) + body);
	pthread_mutex_unlock(&s->out);
}

void vs_send_once(struct vs *s, uint64_t unique, int error, char *msg, bool *sent)
{
	head(msg, unique, error, 0);
	pthread_mutex_lock(&s->out);
	vs_put(s, msg, sizeof(struct fuse_out_header));
	*sent = true;
	pthread_mutex_unlock(&s->out);
}

void vs_send_word(struct vs *s, const char *name)
{
	char word[FUSERELAY_HELLO_N] = {0};

	memcpy(word, name, strlen(name));
	vs_put(s, word, sizeof word);
}

static void forbid_keeping(const struct vs_req *r, size_t body)
{
	struct fuse_entry_out *e = (struct fuse_entry_out *)r->body;
	size_t step = 0;

	if (r->valid == VS_ATTR)
		((struct fuse_attr_out *)r->body)->attr_valid = 0;
	else if (r->valid == VS_ENTRY)
		e->entry_valid = e->attr_valid = 0;
	if (r->valid != VS_ENTRIES)
		return;
	for (size_t at = 0; at < body; at += step) {
		struct fuse_direntplus *d = (struct fuse_direntplus *)(r->body + at);

		d->entry_out.entry_valid = d->entry_out.attr_valid = 0;
		step = FUSE_DIRENTPLUS_SIZE(d);
	}
}

/* Whether it is still true is asked when nothing can come before it on the wire: what changes later
 * is called back after it. */
void vs_answer(struct vs_req *r, int result)
{
	size_t body = result > 0 ? (size_t)result : 0;
	char *msg = r->body - sizeof(struct fuse_out_header);

	head(msg, r->h->unique, result < 0 ? result : 0, body);
	pthread_mutex_lock(&r->s->out);
	if (r->events && body && atomic_load(r->events) != r->seen)
		forbid_keeping(r, body);
	vs_put(r->s, msg, sizeof(struct fuse_out_header) + body);
	pthread_mutex_unlock(&r->s->out);
}

void vs_tell_inode(struct vs *s, uint64_t id, int64_t off, int64_t len)
{
	struct {
		struct fuse_out_header h;
		struct fuse_notify_inval_inode_out body;
	} msg = {.body = {.ino = id, .off = off, .len = len}};

	vs_send(s, 0, FUSE_NOTIFY_INVAL_INODE, (char *)&msg, sizeof msg.body);
}

void vs_tell_entry(struct vs *s, uint64_t dir, const char *name)
{
	struct {
		struct fuse_out_header h;
		struct fuse_notify_inval_entry_out body;
		char name[VS_NAME_MAX + 1];
	} msg = {.body = {.parent = dir, .namelen = (uint32_t)strlen(name)}};

	memcpy(msg.name, name, msg.body.namelen + 1);
	vs_send(s, 0, FUSE_NOTIFY_INVAL_ENTRY, (char *)&msg,
	        sizeof msg.body + msg.body.namelen + 1);
}

/* --- INIT ------------------------------------------------------------------------------------ */

#define WANTED                                                                                 \
	(FUSE_ASYNC_READ | FUSE_POSIX_LOCKS | FUSE_FLOCK_LOCKS | FUSE_BIG_WRITES |             \
	        FUSE_DONT_MASK | FUSE_DO_READDIRPLUS | FUSE_READDIRPLUS_AUTO |                 \
	        FUSE_PARALLEL_DIROPS | FUSE_POSIX_ACL | FUSE_MAX_PAGES | FUSE_CACHE_SYMLINKS | \
	        FUSE_HANDLE_KILLPRIV_V2 | FUSE_SETXATTR_EXT)

#define DIRECT_IO_ALLOW_MMAP 16 /* of flags2, since Linux 6.6 */

static bool allows_mmap(const struct vs_req *r)
{
	const struct fuse_init_in *in = (const void *)r->arg;

	return in->flags & FUSE_INIT_EXT && r->n_data >= sizeof in->flags2 &&
	       in->flags2 & DIRECT_IO_ALLOW_MMAP;
}

int vs_init(struct vs_req *r)
{
	const struct fuse_init_in *in = (const void *)r->arg;
	struct fuse_init_out *out = (struct fuse_init_out *)r->body;
	struct vs *s = r->s;

	if (s->begun || in->major < FUSE_KERNEL_VERSION)
		return VS_END;
	if (in->major == FUSE_KERNEL_VERSION && in->minor < 28)
		return -EPROTO;
	*out = (struct fuse_init_out){
	        .major = FUSE_KERNEL_VERSION, .minor = FUSE_KERNEL_MINOR_VERSION};
	if (in->major > FUSE_KERNEL_VERSION) /* it asks again with ours */
		return sizeof *out;
	/* Pages are dropped when told, not whenever the guest's own write has moved the time. */
	s->flags = in->flags & (WANTED | (s->cache == VS_CACHE_NONE ? FUSE_AUTO_INVAL_DATA
	                                                            : FUSE_EXPLICIT_INVAL_DATA));
	out->flags = s->flags;
	if (s->cache == VS_CACHE_NONE && allows_mmap(r)) {
		out->flags |= FUSE_INIT_EXT;
		out->flags2 = DIRECT_IO_ALLOW_MMAP;
	}
	out->max_readahead = in->max_readahead;
	out->max_background = 64;
	out->congestion_threshold = 48;
	out->max_write = VS_DATA_MAX;
	out->max_pages = VS_DATA_MAX / 4096;
	out->time_gran = 1;
	s->begun = true;
	return sizeof *out;
}

/* --- the threads ----------------------------------------------------------------------------- */

static void release_wire(struct vs *s)
{
	pthread_mutex_unlock(&s->in);
}

/* What is left in the socket stays there for the session to come, if there is one. */
static void end(struct vs *s)
{
	atomic_store(&s->ended, true);
	if (!s->again)
		shutdown(s->wire, SHUT_RDWR);
}

static void *worker(void *arg)
{
	struct vs *s = arg;
	size_t n;
	bool good;
	char *buf = mmap(NULL, 2 * (VS_MSG_MAX + 4096), PROT_READ | PROT_WRITE,
	        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	/* The umask is this thread's own from here on. */
	if (buf == MAP_FAILED || unshare(CLONE_FS) < 0) {
		end(s);
		return NULL;
	}
	for (;;) {
		pthread_mutex_lock(&s->in);
		n = atomic_load(&s->ended) ? 0 : vs_next_message(s, buf);
		if (n == 0)
			break;
		vs_rest_begin(s);
		good = vs_message(s, buf, n, buf + VS_MSG_MAX + 4096, release_wire);
		vs_rest_end(s);
		if (!good) {
			end(s); /* first: whoever has the lock waits for the wire */
			pthread_mutex_lock(&s->in);
			break;
		}
	}
	end(s);
	pthread_mutex_unlock(&s->in);
	munmap(buf, 2 * (VS_MSG_MAX + 4096));
	return NULL;
}

/* --- a session ------------------------------------------------------------------------------- */

/* A quarter stays for open files. */
static uint32_t node_descriptors(void)
{
	struct rlimit rl;

	if (getrlimit(RLIMIT_NOFILE, &rl) < 0)
		return 512;
	rl.rlim_cur = rl.rlim_max;
	setrlimit(RLIMIT_NOFILE, &rl);
	if (rl.rlim_max > 1 << 20)
		rl.rlim_max = 1 << 20;
	return (uint32_t)(rl.rlim_max / 4 * 3);
}

int vs_open_session(struct vs *s)
{
	int r;

	s->begun = false;
	s->flags = 0;
	atomic_store(&s->ended, false);
	pthread_mutex_init(&s->in, NULL);
	pthread_mutex_init(&s->out, NULL);
	vs_rest_init(s);
	vs_handles_init(&s->handles);
	vs_locks_init(s);
	r = vs_nodes_init(&s->nodes, s->root, node_descriptors());
	if (r == 0)
		r = vs_watch_init(s);
	if (r == 0 && s->cache == VS_CACHE_AUTO)
		vs_watch_node(s, s->nodes.slots[FUSE_ROOT_ID], s->nodes.slots[FUSE_ROOT_ID]->fd);
	return r;
}

void vs_close_session(struct vs *s)
{
	atomic_store(&s->ended, true);
	vs_watch_stop(s);
	vs_locks_stop(s);
	vs_handles_free(&s->handles);
	vs_nodes_free(&s->nodes);
	vs_rest_free(s);
	pthread_mutex_destroy(&s->in);
	pthread_mutex_destroy(&s->out);
}

static void noticed(int sig)
{
	(void)sig;
}

static void run_threads(struct vs *s)
{
	pthread_t threads[64];
	int n = 0;

	while (n < s->threads && n < 64 && pthread_create(&threads[n], NULL, worker, s) == 0)
		n++;
	if (n == 0)
		end(s);
	while (n > 0)
		pthread_join(threads[--n], NULL);
}

/* Bits of the answer's flags; 0 is consent. */
static uint32_t refusal(const char *hello)
{
	uint32_t word[2];

	memcpy(word, hello + 8, sizeof word);
	return memcmp(hello, FUSERELAY_HELLO, 8) != 0 || word[0] != FUSERELAY_VERSION ||
	                       word[1] != 0
	               ? FUSERELAY_REFUSED
	               : 0;
}

static int greet(struct vs *s)
{
	char hello[FUSERELAY_HELLO_N];
	uint32_t version = FUSERELAY_VERSION, flags;

	memcpy(hello, s->rest, s->n_rest < sizeof hello ? s->n_rest : sizeof hello);
	if (s->n_rest < sizeof hello &&
	        read_full(s->wire, hello + s->n_rest, sizeof hello - s->n_rest) !=
	                (ssize_t)(sizeof hello - s->n_rest))
		return -EPIPE;
	s->n_rest = s->n_rest > sizeof hello ? s->n_rest - sizeof hello : 0;
	memmove(s->rest, s->rest + sizeof hello, s->n_rest);
	flags = refusal(hello);
	memcpy(hello, FUSERELAY_HELLO, 8);
	memcpy(hello + 8, &version, sizeof version);
	memcpy(hello + 12, &flags, sizeof flags);
	if (send(s->wire, hello, sizeof hello, MSG_NOSIGNAL) != sizeof hello)
		return -EPIPE;
	return flags ? -EPROTO : 0;
}

int vs_serve(struct vs *s)
{
	struct sigaction sa = {.sa_handler = noticed};
	auto_free char *rest = malloc(VS_FIRST + FUSERELAY_HELLO_N);
	int r;

	if (!rest)
		return -ENOMEM;
	sigaction(SIGUSR1, &sa, NULL);
	s->rest = rest;
	s->n_rest = 0;
	do {
		bool goes_on = s->loaded;

		s->again = s->loaded = false;
		r = goes_on ? 0 : greet(s);
		if (r < 0)
			break;
		if (!goes_on)
			r = vs_open_session(s);
		if (r == 0)
			run_threads(s);
		vs_close_session(s);
	} while (r == 0 && s->again);
	shutdown(s->wire, SHUT_RDWR);
	s->rest = NULL;
	return r;
}
