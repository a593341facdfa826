/* SPDX-License-Identifier: MIT */
#include "boot_vol.h"
#include "cleanup.h"
#include "fds.h"
#include "json.h"
#include "num.h"
#include "paths.h"
#include "status.h"
#include "supervise.h"
#include "volwire.h"

#include <endian.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define END_MS 2000 /* for the keeper to end, which takes it a moment */

int vol_take(int dir, struct vol *v, struct err *e)
{
	const char *text = getenv("FCVM_VOL_FD");
	uint64_t fd;

	*v = (struct vol){.keeper = -1};
	if (!text)
		return 0;
	if (num_u64(text, 3, INT_MAX, &fd) < 0 || fcntl((int)fd, F_SETFD, FD_CLOEXEC) < 0)
		return err_set(e, FCVM_EX_FAIL, "FCVM_VOL_FD is not a connection to fcvm-vol");
	v->keeper = (int)fd;
	unsetenv("FCVM_VOL_FD");
	if (dir < 0)
		return 0;
	v->doc = json_load_at(dir, "volumes.json", e);
	if (!v->doc)
		return -1;
	v->n = json_array_size(json_object_get(v->doc, "volumes"));
	if (v->n > VMM_PORTS)
		return err_set(e, FCVM_EX_FAIL,
		        "%zu volumes are too many: a machine has at most %d", v->n, VMM_PORTS);
	for (size_t i = 0; i < v->n; i++)
		v->ports[i].fd = v->servers[i] = -1;
	return 0;
}

static void close_one(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

/* The volumes are free when it has ended, for whoever removes one as soon as the machine is gone.
 */
static void end_keeper(int keeper)
{
	struct pollfd p = {.fd = keeper, .events = POLLIN};
	char text[512];

	shutdown(keeper, SHUT_WR);
	while (poll(&p, 1, END_MS) > 0 && recv(keeper, text, sizeof text, 0) > 0)
		;
	close(keeper);
}

void vol_free(struct vol *v)
{
	for (size_t i = 0; i < v->n; i++) {
		close_one(&v->ports[i].fd);
		close_one(&v->servers[i]);
	}
	if (v->keeper >= 0)
		end_keeper(v->keeper);
	json_decref(v->doc);
	*v = (struct vol){.keeper = -1};
}

int vol_open(struct vol *v, struct err *e)
{
	for (size_t i = 0; i < v->n; i++) {
		int p[2];

		if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, p) < 0)
			return err_sys(e, "cannot make the socket of a volume");
		snprintf(v->ports[i].name, sizeof v->ports[i].name, "fcvm.vol%zu", i);
		v->ports[i].fd = p[0];
		v->servers[i] = p[1];
	}
	return 0;
}

int vol_connect(struct vol *v, struct err *e)
{
	for (size_t i = 0; i < v->n; i++) {
		uint32_t index = htole32((uint32_t)i);
		int r = fds_send(v->keeper, &index, sizeof index, &v->servers[i], 1);

		close_one(&v->servers[i]);
		close_one(&v->ports[i].fd);
		if (r < 0) {
			errno = -r;
			return err_sys(e, "cannot reach fcvm-vol");
		}
	}
	return 0;
}

static size_t depth(const json_t *mount)
{
	const char *at = json_string_value(json_object_get(mount, "destination"));

	return at ? path_depth(at) : 0;
}

static json_t *mount_of(const json_t *volume, const char *port)
{
	const char *type = json_string_value(json_object_get(volume, "type"));
	json_t *options = json_object_get(volume, "options");

	return json_pack("{s:O?, s:s, s:s, s:O?, s:b, s:b}", "destination",
	        json_object_get(volume, "destination"), "type", "volume", "source", port, "options",
	        options, "file", type && !strcmp(type, "file"), "copyUp",
	        json_is_true(json_object_get(volume, "copyUp")));
}

int vol_complete(json_t *plan, const struct vol *v, struct err *e)
{
	json_t *mounts = json_copy(json_object_get(plan, "mounts"));

	if (v->n && !mounts)
		mounts = json_array();
	for (size_t i = 0; i < v->n; i++) {
		json_t *m = mount_of(
		        json_array_get(json_object_get(v->doc, "volumes"), i), v->ports[i].name);
		size_t at = 0;

		if (!json_is_string(json_object_get(m, "destination"))) {
			json_decref(m);
			json_decref(mounts);
			return err_set(
			        e, FCVM_EX_FAIL, "volumes.json has a volume without a place");
		}
		/* Behind all that it may be in. */
		while (at < json_array_size(mounts) &&
		        depth(json_array_get(mounts, at)) <= depth(m))
			at++;
		json_array_insert_new(mounts, at, m);
	}
	if (mounts)
		json_object_set_new(plan, "mounts", mounts);
	return 0;
}

#define ENDED   "fcvm-vol, which serves the volumes, has ended"
#define SAVE_MS 60000 /* nodes and open files are written, no content but of few */
#define COPY_MS 600000

static void printable(char *text)
{
	for (char *c = text; *c; c++)
		if ((unsigned char)*c < ' ')
			*c = '?';
}

static bool is_answer(const void *text, ssize_t n)
{
	uint32_t zero;

	memcpy(&zero, text, sizeof zero);
	return n == sizeof(struct volwire_answer) && zero == 0;
}

/* What came from fcvm-vol, in text: 1; 0: nothing yet, or an answer that nobody waits for. */
static int news(int keeper, char *text, size_t size)
{
	ssize_t n = recv(keeper, text, size - 1, MSG_DONTWAIT);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (is_answer(text, n))
		return 0;
	if (n <= 0)
		n = snprintf(text, size, ENDED);
	text[n] = 0;
	printable(text);
	return 1;
}

/* A container whose files are gone can only be ended. */
static void volume_lost(struct machine *m)
{
	loop_remove(&m->loop, &m->volume_watch);
	m->restart.asked = false;
	m->restart.policy = "no";
	if (m->phase == PHASE_RUN && m->running)
		machine_stop(m, machine_stop_signal(m), m->stop_timeout_ms);
	else if (!m->reported)
		machine_end(m);
}

/* Waits for the answer. A server's end may be told instead, which vol_event() will hear. */
static int64_t answer(int keeper, uint32_t index, int patience, const char *what, struct err *e)
{
	struct pollfd p = {.fd = keeper, .events = POLLIN};
	struct volwire_answer a = {0, 0, 0};
	int64_t result;
	ssize_t n;
	int r;

	do
		r = poll(&p, 1, patience);
	while (r < 0 && errno == EINTR);
	if (r == 0)
		return err_set(e, FCVM_EX_FAIL, "the server of a volume does not answer");
	n = recv(keeper, &a, sizeof a, MSG_PEEK | MSG_TRUNC);
	if (!is_answer(&a, n) || le32toh(a.index) != index)
		return err_set(e, FCVM_EX_FAIL, "the server of a volume has ended");
	recv(keeper, &a, sizeof a, 0);
	result = (int64_t)le64toh((uint64_t)a.result);
	errno = (int)-result;
	return result >= 0 ? result : err_sys(e, "cannot %s", what);
}

struct order {
	uint32_t what; /* VOLWIRE_… */
	uint64_t at, size;
	bool copied;
	const int *fds;
	size_t n_fds;
	int patience;      /* ms */
	const char *doing; /* for a message */
};

static int64_t order(int keeper, size_t index, const struct order *o, struct err *e)
{
	struct volwire_order wire = {htole32((uint32_t)index), htole32(o->what), htole64(o->at),
	        htole64(o->size), htole64(o->copied)};
	int r = fds_send(keeper, &wire, sizeof wire, o->fds, o->n_fds);

	errno = -r;
	return r < 0 ? err_sys(e, "cannot reach fcvm-vol")
	             : answer(keeper, (uint32_t)index, o->patience, o->doing, e);
}

int64_t vol_save(int keeper, size_t index, int fd, uint64_t at, struct err *e)
{
	return order(keeper, index,
	        &(struct order){.what = VOLWIRE_SAVE,
	                .at = at,
	                .fds = &fd,
	                .n_fds = 1,
	                .patience = SAVE_MS,
	                .doing = "save a volume's state"},
	        e);
}

struct vol_session vol_session_of(const json_t *volume, int fd, int dir)
{
	return (struct vol_session){.fd = fd,
	        .at = (uint64_t)json_integer_value(json_object_get(volume, "at")),
	        .size = (uint64_t)json_integer_value(json_object_get(volume, "size")),
	        .copied = json_is_true(json_object_get(volume, "anonymous")),
	        .dir = dir};
}

bool vol_is_copied(const json_t *volume)
{
	return json_is_true(json_object_get(volume, "anonymous")) &&
	       !json_is_true(json_object_get(volume, "readonly"));
}

int64_t vol_load(int keeper, size_t index, const struct vol_session *s, struct err *e)
{
	return order(keeper, index,
	        &(struct order){.what = VOLWIRE_LOAD,
	                .at = s->at,
	                .size = s->size,
	                .copied = s->copied,
	                .fds = (int[]){s->fd, s->dir},
	                .n_fds = s->dir >= 0 ? 2 : 1,
	                .patience = COPY_MS,
	                .doing = "go on with a volume"},
	        e);
}

/* One of the orders that are about a copy of the files. */
static int about_copy(
        int keeper, size_t index, uint32_t what, int dir, const char *doing, struct err *e)
{
	int64_t r = order(keeper, index,
	        &(struct order){
	                .what = what, .fds = &dir, .n_fds = 1, .patience = COPY_MS, .doing = doing},
	        e);

	return r < 0 ? -1 : 0;
}

int vol_copy(int keeper, size_t index, int dir, struct err *e)
{
	return about_copy(keeper, index, VOLWIRE_COPY, dir, "copy a volume", e);
}

int vol_stage(int keeper, size_t index, int dir, struct err *e)
{
	return about_copy(keeper, index, VOLWIRE_STAGE, dir, "copy a volume", e);
}

int vol_unstage(int keeper, size_t index, int dir, struct err *e)
{
	return about_copy(keeper, index, VOLWIRE_UNSTAGE, dir, "forget the copy of a volume", e);
}

void vol_event(void *ctx, uint32_t events)
{
	struct machine *m = ctx;

	(void)events;
	if (news(m->o->volumes, m->lost, sizeof m->lost))
		volume_lost(m);
}
