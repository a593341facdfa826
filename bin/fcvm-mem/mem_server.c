/* SPDX-License-Identifier: MIT */
#include "mem_server.h"
#include "cleanup.h"
#include "clock.h"
#include "fds.h"
#include "mem_keeper.h"
#include "msg.h"
#include "signals.h"
#include "status.h"
#include "xio.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#define FILES_MORE 220 /* connections that have not said what they want, and our own */

static int open_source(struct mem_source *s, const struct mem_opts *o, struct err *e)
{
	struct stat st;
	void *map;

	s->path = o->memory;
	s->fd = open(o->memory, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (s->fd < 0 || fstat(s->fd, &st) < 0)
		return err_sys(e, "cannot read %s", o->memory);
	if (!S_ISREG(st.st_mode) || st.st_size <= 0 || st.st_size % MEM_PAGE)
		return err_set(e, FCVM_EX_DATA,
		        "%s is no memory file: not a file of whole pages of 4 KiB", o->memory);
	s->size = (uint64_t)st.st_size;
	s->device = st.st_dev;
	s->inode = st.st_ino;
	map = mmap(NULL, s->size, PROT_READ, MAP_PRIVATE | MAP_NORESERVE, s->fd, 0);
	if (map == MAP_FAILED)
		return err_sys(e, "cannot map %s", o->memory);
	s->map = map;
	map = mmap(NULL, MEM_PAGE_HUGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (map == MAP_FAILED)
		return err_sys(e, "cannot make zero pages");
	s->zeros = map;
	return o->replay ? mem_order_load(o->replay, s->size, &s->replay, e) : 0;
}

/* The first machine's, so that the file does not depend on which of several ends last. */
static void store_record(struct mem_server *s, struct mem_client *c)
{
	int r = 0;

	pthread_mutex_lock(&c->order_lock);
	if (!s->stored && c->order.n) {
		r = mem_order_save(s->o->record, s->source.size, &c->order);
		s->stored = true;
	}
	pthread_mutex_unlock(&c->order_lock);
	if (r < 0)
		msg("cannot write %s: %s", s->o->record, strerror(-r));
}

void mem_server_take(struct mem_asking *a, const struct mem_regions *r)
{
	struct mem_server *s = a->s;
	struct mem_client *c = calloc(1, sizeof *c);
	size_t i = 0;
	struct err e = {.text = "no memory is left"};

	while (s->clients[i])
		i++;
	if (c) {
		*c = (struct mem_client){.source = &s->source,
		        .id = a->id,
		        .pid = a->pid,
		        .conn = a->conn,
		        .pidfd = a->pidfd,
		        .uffd = a->uffd,
		        .over = s->over,
		        .regions = *r,
		        .recorded = s->o->record && !s->recording};
		loop_remove(&s->loop, &a->watch);
	}
	if (!c || mem_client_start(c, &e) < 0) {
		mem_kill(a->pidfd);
		msg("process %d is refused and was ended: %s", a->pid, e.text);
		s->failed++;
		mem_release(s, a->id);
		free(c);
	} else {
		s->recording |= c->recorded;
		s->clients[i] = c;
		s->n_clients++;
		s->served++;
		a->conn = a->pidfd = a->uffd = -1;
	}
	mem_asking_end(a);
}

static void some_end(void *ctx, uint32_t events)
{
	struct mem_server *s = ctx;
	uint64_t count;

	(void)events;
	(void)!read(s->over, &count, sizeof count);
	for (size_t i = 0; i < s->o->clients; i++) {
		struct mem_client *c = s->clients[i];

		if (!c || c->end == MEM_RUNS)
			continue;
		if (c->end == MEM_FAILED) {
			s->failed++;
			msg("the machine of process %d was ended: %s", c->pid, c->why);
		}
		if (s->o->record)
			store_record(s, c);
		mem_release(s, c->id);
		mem_client_finish(c);
		free(c);
		s->clients[i] = NULL;
		s->n_clients--;
	}
}

static void keeper_speaks(void *ctx, uint32_t events)
{
	struct mem_server *s = ctx;
	struct mem_news news;
	int fds[FDS_MAX];
	size_t n_fds;
	ssize_t n = fds_receive(s->keeper, &news, sizeof news, fds, &n_fds, MSG_DONTWAIT);

	(void)events;
	if (n == -EAGAIN || n == -EINTR)
		return;
	if (n == sizeof news && n_fds == 2) {
		mem_asking_add(s, news.id, news.pid, fds[0], fds[1]);
		return;
	}
	for (size_t i = 0; i < n_fds; i++)
		close(fds[i]);
	if (n == sizeof news) /* this process has no room for more descriptors */
		mem_release(s, news.id);
	else
		s->lost = true;
}

static void signal_comes(void *ctx, uint32_t events)
{
	struct mem_server *s = ctx;
	struct signalfd_siginfo si;

	(void)events;
	while (read(s->signals, &si, sizeof si) == sizeof si)
		if (signals_ends((int)si.ssi_signo))
			s->signal = (int)si.ssi_signo;
}

static int enough_files(uint64_t clients, struct err *e)
{
	uint64_t want = clients * 3 + FILES_MORE;
	struct rlimit l;

	if (getrlimit(RLIMIT_NOFILE, &l) == 0 && l.rlim_cur < want && l.rlim_max >= want) {
		l.rlim_cur = l.rlim_max;
		setrlimit(RLIMIT_NOFILE, &l);
	}
	if (getrlimit(RLIMIT_NOFILE, &l) < 0 || l.rlim_cur < want)
		return err_set(e, FCVM_EX_SYS,
		        "--clients %llu takes %llu open files, the limit is %llu: see ulimit -n",
		        (unsigned long long)clients, (unsigned long long)want,
		        (unsigned long long)l.rlim_cur);
	return 0;
}

static int prepare(struct mem_server *s, struct err *e)
{
	s->since_ms = clock_ms();
	s->clients = calloc(s->o->clients, sizeof *s->clients);
	s->over = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	s->signals = signals_watch();
	if (!s->clients || s->over < 0 || s->signals < 0 || loop_init(&s->loop) < 0)
		return err_sys(e, "cannot prepare");
	if (enough_files(s->o->clients, e) < 0 || open_source(&s->source, s->o, e) < 0 ||
	        mem_socket_open(&s->socket, s->o->socket, e) < 0)
		return -1;
	s->keeper = mem_keeper_start(&s->socket, &s->keeper_pid, e);
	if (s->keeper < 0)
		return -1;
	if (loop_add(&s->loop, &s->keeper_watch, s->keeper, EPOLLIN, keeper_speaks, s) < 0 ||
	        loop_add(&s->loop, &s->over_watch, s->over, EPOLLIN, some_end, s) < 0 ||
	        loop_add(&s->loop, &s->signal_watch, s->signals, EPOLLIN, signal_comes, s) < 0)
		return err_sys(e, "cannot make the event loop");
	return 0;
}

/* All that it serves ends with it. */
static size_t end_clients(struct mem_server *s)
{
	size_t n = 0;

	for (size_t i = 0; s->clients && i < s->o->clients; i++) {
		struct mem_client *c = s->clients[i];

		if (!c)
			continue;
		n++;
		mem_kill(c->pidfd);
		if (s->o->record)
			store_record(s, c);
	}
	while (s->asking) {
		n += mem_asking_is_machine(s->asking);
		mem_asking_end(s->asking);
	}
	return n;
}

static void finish(struct mem_server *s)
{
	size_t n = end_clients(s);

	if (s->socket.fd >= 0) {
		mem_socket_unlink(&s->socket);
		n += mem_keeper_drain(s->socket.fd);
	}
	if (n)
		msg("%zu machine%s ended with the server", n, n > 1 ? "s" : "");
	if (s->keeper >= 0) {
		mem_release(s, 0);
		waitpid(s->keeper_pid, NULL, 0);
	}
}

static int run(struct mem_server *s, struct err *e)
{
	if (prepare(s, e) < 0)
		return -1;
	if (s->o->ready_fd && write_full((int)s->o->ready_fd, "ready\n", 6) < 0)
		return err_sys(e, "cannot write to --ready-fd %d", (int)s->o->ready_fd);
	if (s->o->ready_fd)
		close((int)s->o->ready_fd);
	while (!s->signal && !s->lost) {
		int64_t next = mem_asking_next(s), left = next < 0 ? -1 : next - clock_ms();

		loop_once(&s->loop, left < -1 ? 0 : (int)left);
		mem_asking_due(s, clock_ms());
	}
	return s->lost ? err_set(e, FCVM_EX_SYS, "the keeper has ended") : 0;
}

int mem_serve(const struct mem_opts *o, struct err *e)
{
	struct mem_server s = {
	        .o = o, .source.fd = -1, .socket.fd = -1, .keeper = -1, .over = -1, .signals = -1};
	int r = run(&s, e);

	finish(&s); /* the process ends: threads and descriptors go with it */
	return r;
}
