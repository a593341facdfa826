/* SPDX-License-Identifier: MIT */
#include "vol_server.h"
#include "cleanup.h"
#include "fds.h"
#include "helper.h"
#include "status.h"
#include "vs_save.h"
#include "xio.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#define THREADS 10

struct start {
	const struct vol_spec *v;
	const struct vol_saved *saved; /* or NULL */
	struct vs_loss *loss;          /* in memory that both have */
	int control;
};

/* To the server: what is to be done with the descriptors that come along. */
struct order {
	enum { ORDER_SESSION, ORDER_SAVE, ORDER_COPY, ORDER_LOAD, ORDER_STAGE, ORDER_UNSTAGE } what;
	int64_t at;
	size_t size;
	bool copied;
};

struct session {
	struct vs vs;
	pthread_t thread;
	bool running;
	int wire;
	char staged[VOL_STAGED];
};

static void *serve(void *arg)
{
	struct session *s = arg;

	vs_serve(&s->vs);
	return NULL;
}

static void end_session(struct session *s)
{
	if (!s->running)
		return;
	shutdown(s->wire, SHUT_RDWR);
	pthread_join(s->thread, NULL);
	close(s->wire);
	s->running = false;
}

static bool begin_session(struct session *s, int wire)
{
	end_session(s);
	s->wire = s->vs.wire = wire;
	s->running = pthread_create(&s->thread, NULL, serve, s) == 0;
	return s->running;
}

static int read_saved(const struct vol_saved *saved, char *data)
{
	size_t have = 0;

	while (have < saved->size) {
		ssize_t n =
		        pread(saved->fd, data + have, saved->size - have, saved->at + (off_t)have);

		if (n > 0)
			have += (size_t)n;
		else if (n == 0 || errno != EINTR)
			return n < 0 ? -errno : -EBADMSG;
	}
	return 0;
}

/* 0 or -errno. */
static int load(struct session *s, const struct vol_saved *saved, struct vs_loss *loss)
{
	auto_free char *data = malloc(saved->size + 1);
	int r = data ? read_saved(saved, data) : -ENOMEM;

	if (r == 0 && *s->staged)
		r = stage_exchange(s->vs.root, s->staged);
	else if (r == 0 && saved->copy >= 0)
		r = vol_copy_in(saved->copy, s->vs.root);
	return r == 0 ? vs_load(&s->vs, data, saved->size, saved->copied, loss) : r;
}

static int64_t load_order(struct session *s, const struct order *o, const int *fds, size_t n)
{
	struct vol_saved saved = {.fd = fds[0],
	        .at = o->at,
	        .size = o->size,
	        .copied = o->copied,
	        .copy = n == 2 ? fds[1] : -1};
	struct vs_loss loss;
	int r;

	end_session(s); /* its locks may be those of the other one */
	if (s->vs.loaded)
		return -EBUSY;
	r = load(s, &saved, &loss);
	return r < 0 ? r : (int64_t)loss.files + loss.locks;
}

static bool work(struct session *s, int control, const struct order *o, const int *fds, size_t n)
{
	int64_t r = -EBUSY;

	switch (o->what) {
	case ORDER_COPY:
		r = vol_copy_out(s->vs.root, fds[0]);
		break;
	case ORDER_LOAD:
		r = load_order(s, o, fds, n);
		break;
	case ORDER_STAGE:
		r = stage_copy(fds[0], s->vs.root, s->staged);
		break;
	case ORDER_UNSTAGE:
		stage_drop(s->vs.root, s->staged);
		r = 0;
		break;
	default:
		if (s->running && o->at >= 0)
			r = vs_save(&s->vs, fds[0], o->at);
	}
	for (size_t i = 0; i < n; i++)
		close(fds[i]);
	return send(control, &r, sizeof r, MSG_NOSIGNAL) == sizeof r;
}

/* Until whoever started it closes the control socket. */
static void sessions(struct session *s, int control)
{
	int fds[FDS_MAX];
	size_t n_fds;
	struct order o;
	bool go_on = true;

	while (go_on) {
		ssize_t n = fds_receive(control, &o, sizeof o, fds, &n_fds, 0);

		if (n == -EINTR)
			continue;
		if (n != sizeof o || n_fds < 1)
			break;
		go_on = o.what == ORDER_SESSION ? begin_session(s, fds[0])
		                                : work(s, control, &o, fds, n_fds);
	}
	end_session(s);
}

/* While the right to do so is there: each file that the guest knows is a descriptor here. */
static void raise_limits(void)
{
	auto_free char *text = NULL;
	size_t n;
	struct rlimit rl = {0};

	if (read_file_at(AT_FDCWD, "/proc/sys/fs/nr_open", 32, &text, &n) == 0)
		rl.rlim_cur = rl.rlim_max = (rlim_t)strtoul(text, NULL, 10);
	if (rl.rlim_max < 1024 || setrlimit(RLIMIT_NOFILE, &rl) < 0) {
		getrlimit(RLIMIT_NOFILE, &rl);
		rl.rlim_cur = rl.rlim_max;
		setrlimit(RLIMIT_NOFILE, &rl);
	}
}

/* The ids are mapped by the parent, which hears of the namespace and then writes one byte. */
static int enter_user_namespace(const struct vol_spec *v, int report, struct err *e)
{
	char go;

	if (!ids_needed(v))
		return 0;
	if (unshare(CLONE_NEWUSER) < 0)
		return err_sys(e, "cannot make a user namespace (as root: sysctl "
		                  "user.max_user_namespaces=10000)");
	if (!helper_tell(report, NULL) || read(report, &go, 1) != 1)
		return err_set(e, FCVM_EX_FAIL, "the ids were not mapped");
	return 0;
}

static int confine(struct start *st, int report, struct session *s, struct err *e)
{
	int root;

	if (enter_user_namespace(st->v, report, e) < 0)
		return -1;
	raise_limits();
	root = confine_namespaces(st->v, e);
	if (root < 0 || confine_rights(st->v->readonly, e) < 0)
		return -1;
	s->vs = (struct vs){.root = root,
	        .file = st->v->file,
	        .readonly = st->v->readonly,
	        .cache = st->v->cache,
	        .uid = geteuid(),
	        .gid = getegid(),
	        .threads = THREADS};
	return 0;
}

static int load_first(const struct start *st, struct session *s, struct err *e)
{
	int r;

	if (!st->saved)
		return 0;
	r = load(s, st->saved, st->loss);
	close(st->saved->fd);
	if (st->saved->copy >= 0)
		close(st->saved->copy);
	errno = -r;
	return r < 0 ? err_sys(e, "cannot go on from what was saved") : 0;
}

static void run(void *ctx, int report)
{
	struct start *st = ctx;
	struct session s = {0};
	struct err e = {0};
	int r;

	umask(0);
	r = confine(st, report, &s, &e);
	if (r == 0)
		r = load_first(st, &s, &e);
	if (!helper_tell(report, r < 0 ? &e : NULL) || r < 0)
		return;
	close(report);
	sessions(&s, st->control);
}

static int finish_start(const struct vol_spec *v, int report, pid_t pid, struct err *e)
{
	if (ids_needed(v) && (helper_wait(report, "volume server", e) < 0 ||
	                             ids_map(v, pid, e) < 0 || write(report, "", 1) != 1))
		return -1;
	return helper_wait(report, "volume server", e);
}

static int start(
        struct start *st, char *title, size_t title_size, struct vol_server *out, struct err *e)
{
	const struct vol_spec *v = st->v;
	int pair[2], keep[3];
	auto_fd int report = -1;
	struct helper h = {.program = "fcvm-vol",
	        .name = "volume",
	        .keep = keep,
	        .n_keep = st->saved ? 3 : 1,
	        .title = title,
	        .title_size = title_size,
	        .pid = &out->pid,
	        .pidfd = &out->pidfd,
	        .fn = run,
	        .ctx = st};

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return err_sys(e, "cannot make a socket pair");
	st->control = keep[0] = pair[1];
	keep[1] = st->saved ? st->saved->fd : -1;
	keep[2] = st->saved ? st->saved->copy : -1;
	out->control = pair[0];
	if (helper_start(&h, &report, e) < 0 || finish_start(v, report, out->pid, e) < 0) {
		close(pair[0]);
		close(pair[1]);
		out->control = -1;
		return err_prefix(e, "the volume of %s", v->source);
	}
	close(pair[1]);
	return 0;
}

int vol_server_start(const struct vol_spec *v, char *title, size_t title_size,
        struct vol_server *out, struct err *e)
{
	return start(&(struct start){.v = v}, title, title_size, out, e);
}

static void say(const struct vs_loss *loss, char text[VOL_LOST_MAX])
{
	int n = 0;

	*text = 0;
	if (loss->files)
		n = snprintf(text, VOL_LOST_MAX,
		        "open files that cannot be found and opened again, and are stale (ESTALE): "
		        "%u%s",
		        loss->files,
		        loss->too_large ? ", some without a name and too large to be saved" : "");
	if (loss->locks)
		snprintf(text + n, VOL_LOST_MAX - (size_t)n,
		        "%slocks that others have now, so that whoever had these files open can "
		        "neither read nor write them (EIO): %u",
		        n ? "; " : "", loss->locks);
}

int vol_server_start_saved(const struct vol_spec *v, const struct vol_saved *saved, char *title,
        size_t title_size, struct vol_server *out, char lost[VOL_LOST_MAX], struct err *e)
{
	struct vs_loss *loss =
	        mmap(NULL, sizeof *loss, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int r;

	if (loss == MAP_FAILED)
		return err_sys(e, "cannot start the server of a volume");
	r = start(&(struct start){.v = v, .saved = saved, .loss = loss}, title, title_size, out, e);
	say(loss, lost);
	munmap(loss, sizeof *loss);
	return r;
}

static int64_t ask(const struct vol_server *server, struct order o, const int *fds, size_t n_fds)
{
	int64_t answer;
	ssize_t n;
	int r = fds_send(server->control, &o, sizeof o, fds, n_fds);

	if (r < 0)
		return r;
	do
		n = recv(server->control, &answer, sizeof answer, 0);
	while (n < 0 && errno == EINTR);
	return n == sizeof answer ? answer : -EPIPE;
}

int64_t vol_server_save(const struct vol_server *server, int fd, off_t at)
{
	return ask(server, (struct order){.what = ORDER_SAVE, .at = at}, &fd, 1);
}

int64_t vol_server_copy(const struct vol_server *server, int dir)
{
	return ask(server, (struct order){.what = ORDER_COPY}, &dir, 1);
}

int64_t vol_server_stage(const struct vol_server *server, int dir)
{
	return ask(server, (struct order){.what = ORDER_STAGE}, &dir, 1);
}

int64_t vol_server_unstage(const struct vol_server *server, int dir)
{
	return ask(server, (struct order){.what = ORDER_UNSTAGE}, &dir, 1);
}

int64_t vol_server_load(const struct vol_server *server, const struct vol_saved *saved)
{
	return ask(server,
	        (struct order){.what = ORDER_LOAD,
	                .at = saved->at,
	                .size = saved->size,
	                .copied = saved->copied},
	        (int[]){saved->fd, saved->copy}, saved->copy >= 0 ? 2 : 1);
}

int vol_server_session(const struct vol_server *server, int wire)
{
	const struct order o = {.what = ORDER_SESSION};
	int r = fds_send(server->control, &o, sizeof o, &wire, 1);

	close(wire);
	return r;
}
