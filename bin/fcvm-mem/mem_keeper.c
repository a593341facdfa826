/* SPDX-License-Identifier: MIT */
#include "mem_keeper.h"
#include "cleanup.h"
#include "fds.h"
#include "loop.h"
#include "mem_client.h"
#include "msg.h"
#include "status.h"

#include <linux/close_range.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>

#define KEPT_MAX 1024

struct kept {
	struct keeper *k;
	uint64_t id; /* 0: free */
	pid_t pid;
	int pidfd;
	struct watch watch;
};

struct keeper {
	struct loop loop;
	const struct mem_socket *socket;
	int server;
	struct watch listen_watch, server_watch;
	uint64_t last_id;
	bool over;
	struct kept kept[KEPT_MAX];
};

static int take_connection(int listen_fd)
{
	struct sockaddr_un from;
	socklen_t n = sizeof from;

	return accept4(listen_fd, (struct sockaddr *)&from, &n, SOCK_CLOEXEC | SOCK_NONBLOCK);
}

static void drop(struct kept *p)
{
	loop_drop(&p->k->loop, &p->watch, &p->pidfd);
	p->id = 0;
}

static void process_ended(void *ctx, uint32_t events)
{
	(void)events;
	drop(ctx);
}

static bool may_kill(int pidfd)
{
	return syscall(SYS_pidfd_send_signal, pidfd, 0, NULL, 0) == 0;
}

static void keep(struct keeper *k, struct kept *p, int conn)
{
	struct mem_news news = {.id = ++k->last_id};
	int pidfd = mem_socket_peer(conn, &news.pid);
	int fds[] = {conn, pidfd};

	if (pidfd < 0)
		return;
	if (!may_kill(pidfd)) {
		if (errno != ESRCH)
			msg("process %d is refused: it could not be ended if need be", news.pid);
		close(pidfd);
		return;
	}
	*p = (struct kept){.k = k, .id = news.id, .pid = news.pid, .pidfd = pidfd};
	/* Where the server is gone this one is still in the table, and ends with the others. */
	if (loop_add(&k->loop, &p->watch, pidfd, EPOLLIN, process_ended, p) < 0) {
		mem_turn_away(conn, pidfd);
		drop(p);
	} else {
		fds_send(k->server, &news, sizeof news, fds, 2);
	}
}

bool mem_turn_away(int conn, int pidfd)
{
	char first = 0;

	/* What was sent before can still be read. */
	shutdown(conn, SHUT_RD);
	if (recv(conn, &first, 1, MSG_PEEK | MSG_DONTWAIT) != 1 || first != '[')
		return false;
	mem_kill(pidfd);
	return true;
}

size_t mem_keeper_drain(int listen_fd)
{
	size_t n = 0;
	int conn;

	while ((conn = take_connection(listen_fd)) >= 0) {
		pid_t pid;
		int pidfd = mem_socket_peer(conn, &pid);

		if (pidfd >= 0) {
			n += mem_turn_away(conn, pidfd);
			close(pidfd);
		}
		close(conn);
	}
	return n;
}

static void somebody_connects(void *ctx, uint32_t events)
{
	struct keeper *k = ctx;
	struct kept *p = k->kept;

	(void)events;
	while (p < k->kept + KEPT_MAX && p->id)
		p++;
	if (p < k->kept + KEPT_MAX) {
		auto_fd int conn = take_connection(k->listen_watch.fd);

		if (conn >= 0)
			keep(k, p, conn);
	} else if (mem_keeper_drain(k->listen_watch.fd)) {
		msg("machines were refused and ended: there are %d already", KEPT_MAX);
	}
}

static void end_all(struct keeper *k)
{
	char pids[400] = "";
	size_t at = 0, n = 0;

	for (struct kept *p = k->kept; p < k->kept + KEPT_MAX; p++) {
		if (!p->id)
			continue;
		mem_kill(p->pidfd);
		if (at < sizeof pids - 16)
			at += (size_t)snprintf(
			        pids + at, sizeof pids - at, "%s%d", n ? ", " : "", p->pid);
		n++;
	}
	n += mem_keeper_drain(k->listen_watch.fd);
	mem_socket_unlink(k->socket);
	if (n)
		msg("the server has ended, and with it the %zu machine%s whose memory it served: "
		    "process%s %s",
		        n, n > 1 ? "s" : "", n > 1 ? "es" : "", *pids ? pids : "unknown");
	else
		msg("the server has ended; it served no machine");
}

static void server_speaks(void *ctx, uint32_t events)
{
	struct keeper *k = ctx;
	struct mem_word o;
	ssize_t n = recv(k->server, &o, sizeof o, MSG_DONTWAIT);

	(void)events;
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n != sizeof o) {
		end_all(k);
		k->over = true;
	} else if (!o.id) {
		k->over = true;
	} else {
		for (struct kept *p = k->kept; p < k->kept + KEPT_MAX; p++)
			if (p->id == o.id)
				drop(p);
	}
}

static void __attribute__((noreturn)) child(const struct mem_socket *s, int server)
{
	struct keeper *k = calloc(1, sizeof *k);
	int keep[] = {s->fd, s->dir, server};
	sigset_t all;

	/* Neither what the caller waits for nor the server's files. */
	fds_close_others(keep, sizeof keep / sizeof *keep);
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, NULL);
	setsid(); /* what ends the server's group or terminal does not end this */
	prctl(PR_SET_NAME, "fcvm-mem-keeper");
	if (!k)
		_exit(FCVM_EX_SYS);
	k->socket = s;
	k->server = server;
	if (loop_init(&k->loop) < 0 ||
	        loop_add(&k->loop, &k->server_watch, server, EPOLLIN, server_speaks, k) < 0 ||
	        loop_add(&k->loop, &k->listen_watch, s->fd, EPOLLIN, somebody_connects, k) < 0)
		_exit(FCVM_EX_SYS);
	while (!k->over)
		loop_once(&k->loop, -1);
	_exit(FCVM_EX_OK);
}

int mem_keeper_start(const struct mem_socket *s, pid_t *pid, struct err *e)
{
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return err_sys(e, "cannot make a socket");
	*pid = fork();
	if (*pid == 0) {
		close(pair[0]);
		child(s, pair[1]);
	}
	close(pair[1]);
	if (*pid < 0) {
		close(pair[0]);
		return err_sys(e, "cannot start the keeper");
	}
	return pair[0];
}
