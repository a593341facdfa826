/* SPDX-License-Identifier: MIT
 * All ioctls and reads of one userfaultfd are made by one thread. That makes removals safe without
 * any lock: while one is under way, from before its event can be read, the kernel refuses to fill
 * pages (EAGAIN), and once it was read here the pages are marked.
 *
 * The mapping of the memory file is only ever read by the kernel, in UFFDIO_COPY: where the file
 * has shrunk, or a disk fails, that is EFAULT and no SIGBUS. */
#include "mem_client.h"
#include "cleanup.h"
#include "status.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#define STACK       ((size_t)256 << 10)
#define BATCH       64
#define PENDING_MAX 65536
#define AHEAD       ((uint64_t)256 << 10) /* bytes put ahead at once: what a fault may wait for */

enum put { PUT_DONE, PUT_AGAIN, PUT_FAILED };

void mem_kill(int pidfd)
{
	syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, NULL, 0);
}

static int fail(struct mem_client *c, const char *why)
{
	snprintf(c->why, sizeof c->why, "%s", why);
	return -1;
}

static void wake(struct mem_client *c, uint64_t address, uint64_t length)
{
	struct uffdio_range range = {.start = address, .len = length};

	ioctl(c->uffd, UFFDIO_WAKE, &range);
}

/* Fills `length` bytes; *done gets how many there are now. */
static int fill(struct mem_client *c, const struct mem_region *r, uint64_t index, uint64_t length,
        uint64_t *done)
{
	uint64_t at = index * r->page;
	bool gone = mem_is_gone(r, index);
	int64_t n;

	if (gone && r->page == MEM_PAGE) {
		struct uffdio_zeropage z = {.range = {.start = r->base + at, .len = length}};

		n = ioctl(c->uffd, UFFDIO_ZEROPAGE, &z) == 0 ? (int64_t)length : z.zeropage;
	} else {
		struct uffdio_copy copy = {.dst = r->base + at, .len = length};

		copy.src = (uintptr_t)(gone ? c->source->zeros : c->source->map + r->offset + at);
		n = ioctl(c->uffd, UFFDIO_COPY, &copy) == 0 ? (int64_t)length : copy.copy;
	}
	*done = n > 0 ? (uint64_t)n : 0;
	return n > 0 ? 0 : n < 0 ? (int)n : -errno;
}

static enum put problem(struct mem_client *c, int error)
{
	struct stat st;

	switch (-error) {
	case EAGAIN:
		return PUT_AGAIN;
	case EEXIST: /* it came before: another thread wanted it, too */
	case ENOENT: /* the client no longer has memory there */
	case ESRCH:  /* it ends */
	case ENOSPC: /* likewise, from older kernels */
		return PUT_DONE;
	case EFAULT:
		if (fstat(c->source->fd, &st) == 0 && (uint64_t)st.st_size < c->source->size)
			fail(c, "the memory file has become shorter");
		else
			fail(c, "the memory file cannot be read");
		return PUT_FAILED;
	default:
		snprintf(
		        c->why, sizeof c->why, "its memory cannot be filled: %s", strerror(-error));
		return PUT_FAILED;
	}
}

static void record(struct mem_client *c, uint64_t offset, uint64_t length)
{
	pthread_mutex_lock(&c->order_lock);
	if (mem_order_add(&c->order, offset, length) < 0)
		c->recorded = false; /* what is there is still worth having */
	pthread_mutex_unlock(&c->order_lock);
}

static enum put answer(struct mem_client *c, uint64_t address)
{
	struct mem_region *r = mem_region_at(&c->regions, address);
	uint64_t index, done;
	enum put p;
	int error;

	if (!r) {
		fail(c, "it waits for memory that it did not describe");
		return PUT_FAILED;
	}
	index = (address - r->base) / r->page;
	error = fill(c, r, index, r->page, &done);
	p = error ? problem(c, error) : PUT_DONE;
	if (error && p == PUT_DONE)
		wake(c, r->base + index * r->page, r->page);
	if (p == PUT_DONE)
		c->counts.faults++;
	if (p == PUT_DONE && mem_is_gone(r, index))
		c->counts.zeroed++;
	else if (!error && c->recorded)
		record(c, r->offset + index * r->page, r->page);
	if (p == PUT_AGAIN)
		c->counts.retries++;
	return p;
}

static int answer_pending(struct mem_client *c)
{
	size_t i = 0;

	while (i < c->n_pending) {
		enum put p = answer(c, c->pending[i]);

		if (p == PUT_FAILED)
			return -1;
		if (p == PUT_AGAIN)
			break;
		i++;
	}
	c->n_pending -= i;
	memmove(c->pending, c->pending + i, c->n_pending * sizeof *c->pending);
	return 0;
}

static int add_pending(struct mem_client *c, uint64_t address)
{
	if (c->n_pending == c->pending_room) {
		size_t room = c->pending_room ? 2 * c->pending_room : 64;
		uint64_t *v =
		        room > PENDING_MAX ? NULL : realloc(c->pending, room * sizeof *c->pending);

		if (!v)
			return fail(c, "too many of its threads wait for memory");
		c->pending = v;
		c->pending_room = room;
	}
	c->pending[c->n_pending++] = address;
	return 0;
}

static int take(struct mem_client *c, const struct uffd_msg *m)
{
	switch (m->event) {
	case UFFD_EVENT_PAGEFAULT:
		if (m->arg.pagefault.flags & (UFFD_PAGEFAULT_FLAG_WP | UFFD_PAGEFAULT_FLAG_MINOR))
			return fail(c, "it asks for what is not missing memory");
		return add_pending(c, m->arg.pagefault.address);
	case UFFD_EVENT_REMOVE:
	case UFFD_EVENT_UNMAP:
		c->counts.removed +=
		        mem_remove(&c->regions, m->arg.remove.start, m->arg.remove.end);
		return 0;
	case UFFD_EVENT_FORK:
		close((int)m->arg.fork.ufd);
		return fail(c, "it forked");
	default:
		return fail(c, "it moved its memory");
	}
}

/* All that is there, before anything is filled: the kernel hands out faults before removals, though
 * they may have come later. */
static int drain(struct mem_client *c)
{
	struct uffd_msg m[BATCH];
	ssize_t n;

	while ((n = read(c->uffd, m, sizeof m)) > 0) {
		for (size_t i = 0; i < (size_t)n / sizeof *m; i++)
			if (take(c, &m[i]) < 0)
				return -1;
		if (n < (ssize_t)sizeof m)
			return 0; /* there may be more: poll(2) tells */
	}
	if (n < 0 && errno != EAGAIN && errno != EINTR)
		return fail(c, "its userfaultfd cannot be read");
	return 0;
}

/* The next piece of the working set. */
static int prefetch(struct mem_client *c)
{
	const struct mem_run *run = &c->source->replay.v[c->replay_at];
	uint64_t at = run->offset + c->replay_done, left = run->length - c->replay_done, done = 0;
	struct mem_region *r = mem_region_of(&c->regions, at);
	uint64_t index = (at - r->offset) / r->page, n;
	int error;

	n = left < AHEAD ? left : AHEAD;
	n = mem_alike(r, index, n < r->page ? 1 : n / r->page);
	error = mem_is_gone(r, index) ? -EEXIST : fill(c, r, index, n * r->page, &done);
	c->again = false;
	if (error) {
		enum put p = problem(c, error);

		if (p == PUT_FAILED)
			return -1;
		c->again = p == PUT_AGAIN;
		if (c->again)
			return 0;
		/* One page was there already, and those before it were not. Of pages that were
		 * given back, none is wanted ahead. */
		done = (mem_is_gone(r, index) ? n : 1) * r->page;
	} else {
		c->counts.prefetched += done;
	}
	/* A part may begin inside of a huge page. */
	c->replay_done += done - (at - r->offset) % r->page;
	if (c->replay_done >= run->length) {
		c->replay_at++;
		c->replay_done = 0;
	}
	return 0;
}

static bool more_ahead(const struct mem_client *c)
{
	return c->replay_at < c->source->replay.n;
}

/* Returns how it ended. */
static enum mem_end serve(struct mem_client *c)
{
	for (;;) {
		struct pollfd p[3] = {{.fd = c->uffd, .events = POLLIN}, {.fd = c->conn},
		        {.fd = c->pidfd, .events = POLLIN}};
		int timeout = c->n_pending || c->again ? 1 : more_ahead(c) ? 0 : -1;

		if (poll(p, 3, timeout) < 0 && errno != EINTR)
			fail(c, "it cannot be waited for");
		if (p[2].revents)
			return MEM_GONE;
		if (p[1].revents & (POLLHUP | POLLERR)) {
			fail(c, "it closed the connection");
			return poll(&p[2], 1, 1000) > 0 ? MEM_GONE : MEM_FAILED;
		}
		if (p[0].revents & POLLERR)
			fail(c, "its userfaultfd is broken");
		if (*c->why || (p[0].revents && drain(c) < 0) || answer_pending(c) < 0 ||
		        (!c->n_pending && more_ahead(c) && prefetch(c) < 0))
			break;
	}
	/* A client that ends loses its memory before its descriptors. */
	struct pollfd ended = {.fd = c->pidfd, .events = POLLIN};

	return poll(&ended, 1, 0) > 0 ? MEM_GONE : MEM_FAILED;
}

static void *run(void *arg)
{
	struct mem_client *c = arg;
	enum mem_end end = serve(c);
	uint64_t one = 1;

	mem_kill(c->pidfd);
	c->end = end;
	while (write(c->over, &one, sizeof one) < 0 && errno == EINTR)
		;
	return NULL;
}

/* Anything else could block its thread, or worse. */
static int check_descriptor(int fd, struct err *e)
{
	char path[40], what[64];
	ssize_t n;
	int flags;

	snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	n = readlink(path, what, sizeof what - 1);
	what[n > 0 ? n : 0] = 0;
	if (strcmp(what, "anon_inode:[userfaultfd]") != 0)
		return err_set(e, FCVM_EX_DATA, "the descriptor that it sent is no userfaultfd");
	flags = fcntl(fd, F_GETFL);
	if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0)
		return err_sys(e, "cannot read its userfaultfd");
	return 0;
}

int mem_client_start(struct mem_client *c, struct err *e)
{
	pthread_attr_t attr;
	int r;

	if (check_descriptor(c->uffd, e) < 0)
		return -1;
	r = -mem_regions_track(&c->regions);
	pthread_mutex_init(&c->order_lock, NULL);
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK);
	if (r == 0)
		r = pthread_create(&c->thread, &attr, run, c);
	pthread_attr_destroy(&attr);
	if (r == 0)
		return 0;
	mem_regions_free(&c->regions);
	errno = r;
	return err_sys(e, "cannot serve it");
}

void mem_client_finish(struct mem_client *c)
{
	int *fds[] = {&c->conn, &c->pidfd, &c->uffd};

	pthread_join(c->thread, NULL);
	for (size_t i = 0; i < sizeof fds / sizeof *fds; i++)
		close(steal_fd(fds[i]));
	mem_regions_free(&c->regions);
	mem_order_free(&c->order);
	pthread_mutex_destroy(&c->order_lock);
	free(steal_ptr(c->pending));
}
