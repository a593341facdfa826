/* SPDX-License-Identifier: MIT
 * Every directory that the guest has looked into is watched, so that it may keep what it knows for
 * long: what others change is called back. Events of the guest's own changes come as well. Those of
 * names are announced before they are made and counted off; for content, what is there is compared
 * with what the guest was last told. */
#include "vs.h"
#include "strv.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <time.h>
#include <unistd.h>

#define NAMES   (IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO)
#define CONTENT (IN_ATTRIB | IN_MODIFY | IN_CLOSE_WRITE)
#define BUCKETS 4096

/* --- which number stands for which node, under the nodes' lock ------------------------------- */

static struct vs_node **slot(struct vs_watch *w, int wd)
{
	return &w->by_wd[(unsigned)wd % BUCKETS];
}

static void unlink_wd(struct vs_watch *w, struct vs_node *n)
{
	struct vs_node **at = slot(w, n->watch);

	while (*at && *at != n)
		at = &(*at)->watch_next;
	if (*at)
		*at = n->watch_next;
	n->watch = -1;
}

static void gone(struct vs_node *n, void *ctx)
{
	struct vs *s = ctx;
	int wd = n->watch;

	if (wd < 0)
		return;
	unlink_wd(&s->watch, n);
	inotify_rm_watch(s->watch.inotify, wd);
}

static struct vs_node *watched(struct vs *s, int wd)
{
	struct vs_node *n;

	pthread_mutex_lock(&s->nodes.lock);
	for (n = *slot(&s->watch, wd); n && n->watch != wd; n = n->watch_next)
		;
	if (n)
		n->pins++;
	pthread_mutex_unlock(&s->nodes.lock);
	return n;
}

bool vs_watch_node(struct vs *s, struct vs_node *n, int fd)
{
	struct vs_watch *w = &s->watch;
	int wd;

	if (w->inotify < 0 || w->full)
		return false;
	wd = inotify_add_watch(w->inotify, vs_fdname(fd).s, NAMES | CONTENT | IN_EXCL_UNLINK);
	if (wd < 0) {
		w->full = errno == ENOSPC; /* what is watched stays so; the rest is short-lived */
		return false;
	}
	pthread_mutex_lock(&s->nodes.lock);
	if (n->watch != wd) {
		if (n->watch >= 0)
			unlink_wd(w, n);
		n->watch = wd;
		n->watch_next = *slot(w, wd);
		*slot(w, wd) = n;
	}
	pthread_mutex_unlock(&s->nodes.lock);
	return true;
}

/* --- events ---------------------------------------------------------------------------------- */

static void wait_for_writers(const struct vs_node *n)
{
	const struct timespec pause = {.tv_nsec = 100000};

	for (int i = 0; i < 50 && atomic_load(&n->writing); i++)
		nanosleep(&pause, NULL);
}

/* Compares a node with what the guest believes of it. Whether that was wrong. */
static bool look_at(struct vs *s, struct vs_node *n, uint32_t mask)
{
	int fd = vs_node_fd(&s->nodes, n);
	bool content, known;
	struct stat st;

	wait_for_writers(n);
	if (fd < 0 || fstat(fd, &st) < 0) {
		atomic_fetch_add(&n->events, 1);
		vs_tell_inode(s, n->id, 0, 0);
		return true;
	}
	pthread_mutex_lock(&s->nodes.lock);
	known = vs_is_known(n, &st);
	content = mask & (IN_MODIFY | IN_CLOSE_WRITE) || st.st_size != n->stamp.size ||
	          st.st_mtim.tv_sec != n->stamp.mtime.tv_sec ||
	          st.st_mtim.tv_nsec != n->stamp.mtime.tv_nsec;
	n->stamp = (struct vs_stamp){st.st_mtim, st.st_ctim, st.st_size};
	pthread_mutex_unlock(&s->nodes.lock);
	if (known)
		return false;
	atomic_fetch_add(&n->events, 1);
	vs_tell_inode(s, n->id, content ? 0 : -1, 0);
	return true;
}

/* A name in a watched directory: its file, if the guest knows it. */
static void look_at_child(struct vs *s, struct vs_node *dir, const char *name, uint32_t mask)
{
	int fd = vs_node_fd(&s->nodes, dir);
	struct vs_node *n;
	struct stat st;

	if (fd < 0 || fstatat(fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return;
	n = vs_node_find(&s->nodes, st.st_dev, st.st_ino);
	/* One that is not known may be just being looked up. */
	if (!n || look_at(s, n, mask))
		atomic_fetch_add(&dir->events, 1);
	vs_node_put(&s->nodes, n);
}

/* A name that is taken back loses what is mounted below it in the guest, and a process whose
 * directory it is its place: so only if it has really changed. */
void vs_doubt(struct vs *s, struct vs_node *dir, const char *name, uint64_t missing)
{
	int fd = vs_node_fd(&s->nodes, dir);
	struct vs_node *n = NULL;
	bool right = false;
	uint64_t told = 0;
	struct stat st;

	if (fd >= 0 && fstatat(fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0)
		n = vs_node_find(&s->nodes, st.st_dev, st.st_ino);
	if (n) {
		pthread_mutex_lock(&s->nodes.lock);
		right = n->parent == dir->id && n->name && !strcmp(n->name, name);
		told = n->told;
		pthread_mutex_unlock(&s->nodes.lock);
		vs_node_put(&s->nodes, n);
	}
	if (!right || told < missing || vs_missing_since(s, dir->id, name, told))
		vs_tell_entry(s, dir->id, name);
}

static void changed_name(struct vs *s, struct vs_node *dir, const char *name, uint32_t mask)
{
	if (vs_own_event(s, dir->id, name, mask & NAMES))
		return;
	atomic_fetch_add(&dir->events, 1);
	vs_doubt(s, dir, name, 0);
	vs_tell_inode(s, dir->id, 0, 0);
	if (mask & (IN_CREATE | IN_MOVED_TO))
		look_at_child(s, dir, name, IN_ATTRIB);
}

/* Whether the name by which the guest knows the node leads to it no longer. */
static void doubt_place(struct vs *s, struct vs_node *n)
{
	char name[VS_NAME_MAX + 1];
	struct vs_node *dir = vs_place(s, n, name);

	if (dir)
		vs_doubt(s, dir, name, 0);
	vs_node_put(&s->nodes, dir);
}

void vs_doubt_all(struct vs *s)
{
	vs_forget_missing(s);
	for (uint64_t id = FUSE_ROOT_ID; id < s->nodes.n_slots; id++) {
		struct vs_node *n = vs_node_get(&s->nodes, id);

		if (!n)
			continue;
		atomic_fetch_add(&n->events, 1);
		vs_tell_inode(s, id, 0, 0);
		doubt_place(s, n);
		vs_node_put(&s->nodes, n);
	}
}

static void event(struct vs *s, const struct inotify_event *ev)
{
	struct vs_node *n;

	if (ev->mask & IN_Q_OVERFLOW) {
		vs_doubt_all(s); /* events were lost */
		return;
	}
	n = watched(s, ev->wd);
	if (!n)
		return;
	if (ev->mask & IN_IGNORED) {
		pthread_mutex_lock(&s->nodes.lock);
		unlink_wd(&s->watch, n);
		pthread_mutex_unlock(&s->nodes.lock);
	} else if (ev->len && ev->mask & NAMES) {
		changed_name(s, n, ev->name, ev->mask);
	} else if (ev->len) {
		look_at_child(s, n, ev->name, ev->mask);
	} else {
		look_at(s, n, n->type == S_IFDIR ? IN_ATTRIB : ev->mask);
	}
	vs_node_put(&s->nodes, n);
}

static void *watcher(void *arg)
{
	struct vs *s = arg;
	char buf[65536] __attribute__((aligned(8)));
	struct pollfd p[2] = {{.fd = s->watch.inotify, .events = POLLIN},
	        {.fd = s->watch.stop, .events = POLLIN}};

	for (;;) {
		ssize_t n;

		if (poll(p, 2, -1) < 0 && errno != EINTR)
			return NULL;
		if (p[1].revents)
			return NULL;
		while ((n = read(s->watch.inotify, buf, sizeof buf)) > 0)
			for (char *at = buf; at < buf + n;) {
				const struct inotify_event *ev = (void *)at;

				pthread_mutex_lock(&s->rest_state.telling);
				event(s, ev);
				pthread_mutex_unlock(&s->rest_state.telling);
				at += sizeof *ev + ev->len;
			}
		vs_own_drained(s);
	}
}

int vs_watch_init(struct vs *s)
{
	struct vs_watch *w = &s->watch;

	*w = (struct vs_watch){.inotify = -1, .stop = -1};
	pthread_mutex_init(&w->lock, NULL);
	if (s->cache != VS_CACHE_AUTO)
		return 0;
	w->inotify = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	if (w->inotify < 0)
		return 0; /* the user's limit: everything is short-lived then */
	w->stop = eventfd(0, EFD_CLOEXEC);
	w->by_wd = xcalloc(BUCKETS, sizeof *w->by_wd);
	vs_own_init(s);
	s->nodes.gone = gone;
	s->nodes.ctx = s;
	if (w->stop < 0 || pthread_create(&w->thread, NULL, watcher, s) != 0)
		return -EAGAIN;
	w->running = true;
	return 0;
}

void vs_watch_stop(struct vs *s)
{
	struct vs_watch *w = &s->watch;
	const uint64_t one = 1;

	if (w->running && write(w->stop, &one, sizeof one) == sizeof one)
		pthread_join(w->thread, NULL);
	s->nodes.gone = NULL;
	vs_own_stop(s);
	free(w->by_wd);
	if (w->inotify >= 0)
		close(w->inotify);
	if (w->stop >= 0)
		close(w->stop);
	pthread_mutex_destroy(&w->lock);
	*w = (struct vs_watch){.inotify = -1, .stop = -1};
}
