/* SPDX-License-Identifier: MIT */
#include "vol_keeper.h"
#include "cleanup.h"
#include "fds.h"
#include "helper.h"
#include "loop.h"
#include "status.h"
#include "vol_server.h"
#include "volwire.h"

#include <endian.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

struct keeper;

struct served {
	struct keeper *k;
	const struct vol_spec *v;
	struct vol_server server;
	struct watch w;
};

struct keeper {
	const struct vol_keeper *in;
	struct loop loop;
	struct served all[VOL_MAX];
	struct watch machine;
};

/* Nobody will use them, and whoever has the other end of a stream hears so. */
static void close_all(const int *fds, size_t n)
{
	for (size_t i = 0; i < n; i++)
		close(fds[i]);
}

static int64_t work(
        const struct vol_server *server, const struct volwire_order *o, const int *fds, size_t n)
{
	struct vol_saved saved = {.fd = fds[0],
	        .at = (off_t)le64toh(o->at),
	        .size = (size_t)le64toh(o->size),
	        .copied = o->copied != 0,
	        .copy = n == 2 ? fds[1] : -1};

	switch (le32toh(o->what)) {
	case VOLWIRE_COPY:
		return vol_server_copy(server, fds[0]);
	case VOLWIRE_SAVE:
		return vol_server_save(server, fds[0], saved.at);
	case VOLWIRE_LOAD:
		return vol_server_load(server, &saved);
	case VOLWIRE_STAGE:
		return vol_server_stage(server, fds[0]);
	case VOLWIRE_UNSTAGE:
		return vol_server_unstage(server, fds[0]);
	}
	return -EINVAL;
}

/* Who gives an order waits for the answer. */
static void obey(
        struct keeper *k, const struct volwire_order *o, size_t n, const int *fds, size_t n_fds)
{
	struct volwire_answer a = {0, o->index, 0};
	uint32_t index = le32toh(o->index);
	const struct vol_server *server;

	if (n_fds == 0 || n < sizeof o->index || index >= k->in->n ||
	        k->all[index].server.control < 0) {
		close_all(fds, n_fds);
		return;
	}
	server = &k->all[index].server;
	if (n == sizeof o->index) { /* which takes it over */
		vol_server_session(server, fds[0]);
		close_all(fds + 1, n_fds - 1);
		return;
	}
	a.result = (int64_t)htole64(
	        (uint64_t)(n == sizeof *o ? work(server, o, fds, n_fds) : -EINVAL));
	close_all(fds, n_fds);
	send(k->in->machine, &a, sizeof a, MSG_NOSIGNAL);
}

/* The end of the machine is the end of all: the servers die with this process. */
static void from_machine(void *ctx, uint32_t events)
{
	struct keeper *k = ctx;
	struct volwire_order o;
	int fds[FDS_MAX];
	size_t n_fds = 0;
	ssize_t n = fds_receive(k->in->machine, &o, sizeof o, fds, &n_fds, MSG_DONTWAIT);

	(void)events;
	if (n == -EAGAIN || n == -EINTR)
		return;
	if (n <= 0)
		_exit(0);
	obey(k, &o, (size_t)n, fds, n_fds);
}

static void server_ended(void *ctx, uint32_t events)
{
	struct served *s = ctx;
	siginfo_t si = {0};
	char text[512];
	int n;

	(void)events;
	waitid(P_PIDFD, (id_t)s->server.pidfd, &si, WEXITED | __WALL);
	loop_drop(&s->k->loop, &s->w, &s->server.pidfd);
	close(s->server.control);
	s->server.control = -1;
	n = snprintf(text, sizeof text, "the volume at %.300s: its server ", s->v->target);
	if (si.si_code == CLD_EXITED)
		snprintf(text + n, sizeof text - (size_t)n, "ended with status %d", si.si_status);
	else
		snprintf(
		        text + n, sizeof text - (size_t)n, "was killed by signal %d", si.si_status);
	send(s->k->in->machine, text, strlen(text), MSG_NOSIGNAL);
}

static int start_one(struct keeper *k, size_t i, struct err *e)
{
	const struct vol_keeper *in = k->in;
	struct vol_server *server = &k->all[i].server;

	if (!in->saved)
		return vol_server_start(&in->v[i], in->title, in->title_size, server, e);
	return vol_server_start_saved(
	        &in->v[i], &in->saved[i], in->title, in->title_size, server, in->lost[i], e);
}

static int start_all(struct keeper *k, struct err *e)
{
	int r = loop_init(&k->loop);

	for (size_t i = 0; i < k->in->n && r == 0; i++) {
		struct served *s = &k->all[i];

		*s = (struct served){.k = k, .v = &k->in->v[i], .server = VOL_SERVER_NONE};
		if (start_one(k, i, e) < 0)
			return -1;
		r = loop_add(&k->loop, &s->w, s->server.pidfd, EPOLLIN, server_ended, s);
	}
	if (r == 0)
		r = loop_add(&k->loop, &k->machine, k->in->machine, EPOLLIN, from_machine, k);
	if (r == 0)
		r = helper_drop_privileges();
	errno = -r;
	return r < 0 ? err_sys(e, "cannot start the keeper of the volumes") : 0;
}

static void serve(void *ctx, int report)
{
	struct keeper k = {.in = ctx};
	struct err e = {0};
	int r = start_all(&k, &e);

	if (!helper_tell(report, r < 0 ? &e : NULL) || r < 0)
		return;
	close(report);
	for (;;)
		loop_once(&k.loop, -1);
}

int vol_keeper_start(struct vol_keeper *k, struct err *e)
{
	int keep[3 * VOL_MAX + 1];
	auto_fd int report = -1;
	struct helper h = {.program = "fcvm-vol",
	        .name = "keeper",
	        .keep = keep,
	        .title = k->title,
	        .title_size = k->title_size,
	        .fn = serve,
	        .ctx = k};

	keep[h.n_keep++] = k->machine;
	for (size_t i = 0; i < k->n_locks; i++)
		keep[h.n_keep++] = k->locks[i];
	for (size_t i = 0; k->saved && i < k->n; i++) {
		keep[h.n_keep++] = k->saved[i].fd;
		keep[h.n_keep++] = k->saved[i].copy;
	}
	if (helper_start(&h, &report, e) < 0)
		return -1;
	return helper_wait(report, h.name, e);
}
