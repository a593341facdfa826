/* SPDX-License-Identifier: MIT
 * A VMM sends one JSON array and a userfaultfd, and then keeps the connection open without a word.
 * `fcvm-mem stat` sends a JSON object and is answered with one. */
#include "cleanup.h"
#include "clock.h"
#include "fds.h"
#include "json.h"
#include "mem_keeper.h"
#include "mem_server.h"
#include "msg.h"
#include "status.h"

#include <fcntl.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/time.h>

#define ASKING_MAX  64
#define ASKING_MS   5000
#define STAT_SEND_S 1 /* for somebody who asks and does not read */

void mem_release(struct mem_server *s, uint64_t id)
{
	struct mem_word o = {.id = id};

	(void)!send(s->keeper, &o, sizeof o, MSG_NOSIGNAL);
}

void mem_asking_end(struct mem_asking *a)
{
	struct mem_asking **at = &a->s->asking;

	while (*at != a)
		at = &(*at)->next;
	*at = a->next;
	a->s->n_asking--;
	loop_drop(&a->s->loop, &a->watch, &a->conn);
	if (a->pidfd >= 0)
		close(a->pidfd);
	if (a->uffd >= 0)
		close(a->uffd);
	free(a);
}

/* Whoever has a machine that waits for its memory must not be left waiting. */
bool mem_asking_is_machine(struct mem_asking *a)
{
	if (a->uffd < 0 && a->n == 0)
		return mem_turn_away(a->conn, a->pidfd);
	if (a->uffd < 0 && a->text[0] != '[')
		return false;
	mem_kill(a->pidfd);
	return true;
}

static void refuse(struct mem_asking *a, const char *why)
{
	if (mem_asking_is_machine(a)) {
		msg("process %d is refused and was ended: %s", a->pid, why);
		a->s->failed++;
	} else if (why) {
		msg("process %d is refused: %s", a->pid, why);
	}
	mem_release(a->s, a->id);
	mem_asking_end(a);
}

static void answer_stat(struct mem_asking *a)
{
	struct err e;
	auto_json json_t *ask = json_parse(a->text, a->n, "a request", &e);
	const char *type = json_string_value(json_object_get(ask, "type"));
	struct timeval limit = {.tv_sec = STAT_SEND_S};
	auto_free char *text = NULL;
	auto_json json_t *doc = NULL;

	if (!ask && a->n < MEM_HANDSHAKE_MAX)
		return; /* more may come */
	if (!type || strcmp(type, "STAT") != 0) {
		refuse(a, "it asks for what is not known here");
		return;
	}
	doc = mem_stat_make(a->s);
	text = json_dumps(doc, JSON_COMPACT);
	setsockopt(a->conn, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
	fcntl(a->conn, F_SETFL, fcntl(a->conn, F_GETFL) & ~O_NONBLOCK);
	for (size_t at = 0, n = text ? strlen(text) : 0; at < n;) {
		ssize_t sent = send(a->conn, text + at, n - at, MSG_NOSIGNAL);

		if (sent <= 0)
			break;
		at += (size_t)sent;
	}
	refuse(a, NULL);
}

static void take_fds(struct mem_asking *a, int *fds, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (a->uffd < 0)
			a->uffd = fds[i];
		else
			close(fds[i]);
	}
}

static void understand(struct mem_asking *a)
{
	struct mem_regions regions;
	struct err e;
	int r;

	if (a->text[0] == '{') {
		answer_stat(a);
		return;
	}
	r = mem_handshake(a->text, a->n, a->s->source.size, &regions, &e);
	if (r == 1)
		return;
	if (r < 0)
		refuse(a, e.text);
	else if (a->uffd < 0)
		refuse(a, "it sent no userfaultfd");
	else if (a->s->n_clients >= a->s->o->clients)
		refuse(a, "there are as many machines as --clients allows");
	else
		mem_server_take(a, &regions);
}

static void speaks(void *ctx, uint32_t events)
{
	struct mem_asking *a = ctx;
	int fds[FDS_MAX];
	size_t n_fds = 0;
	ssize_t n = fds_receive(
	        a->conn, a->text + a->n, sizeof a->text - 1 - a->n, fds, &n_fds, MSG_DONTWAIT);

	(void)events;
	take_fds(a, fds, n_fds);
	if (n == -EAGAIN || n == -EINTR)
		return;
	if (n <= 0) {
		refuse(a, a->n ? "it broke off" : NULL);
		return;
	}
	a->n += (size_t)n;
	a->text[a->n] = 0;
	understand(a);
}

void mem_asking_add(struct mem_server *s, uint64_t id, pid_t pid, int conn, int pidfd)
{
	struct mem_asking *a = s->n_asking < ASKING_MAX ? calloc(1, sizeof *a) : NULL;

	if (!a) {
		if (mem_turn_away(conn, pidfd))
			msg("process %d is refused and was ended: too many ask at once", pid);
		close(conn);
		close(pidfd);
		mem_release(s, id);
		return;
	}
	a->s = s;
	a->id = id;
	a->pid = pid;
	a->conn = conn;
	a->pidfd = pidfd;
	a->uffd = -1;
	a->until_ms = clock_ms() + ASKING_MS;
	a->next = s->asking;
	s->asking = a;
	s->n_asking++;
	if (loop_add(&s->loop, &a->watch, conn, EPOLLIN, speaks, a) < 0)
		refuse(a, "there is no room for it");
}

void mem_asking_due(struct mem_server *s, int64_t now)
{
	struct mem_asking *next;

	for (struct mem_asking *a = s->asking; a; a = next) {
		next = a->next;
		if (now >= a->until_ms)
			refuse(a, "it did not say in time what it wants");
	}
}

int64_t mem_asking_next(const struct mem_server *s)
{
	int64_t first = -1;

	for (const struct mem_asking *a = s->asking; a; a = a->next)
		first = clock_earlier(first, a->until_ms);
	return first;
}
