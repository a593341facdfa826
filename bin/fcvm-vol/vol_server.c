/* SPDX-License-Identifier: MIT */
#include "vol_server.h"
#include "cleanup.h"
#include "fds.h"
#include "helper.h"
#include "status.h"
#include "xio.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#define THREADS 10

struct start {
	const struct vol_spec *v;
	int control;
	pid_t parent;
};

struct session {
	struct vs vs;
	pthread_t thread;
	bool running;
	int wire;
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

/* Until whoever started it closes the control socket. */
static void sessions(struct session *s, int control)
{
	int fds[FDS_MAX];
	size_t n_fds;
	char text[16];

	for (;;) {
		ssize_t n = fds_receive(control, text, sizeof text, fds, &n_fds, 0);

		if (n == -EINTR)
			continue;
		if (n <= 0 || n_fds != 1)
			break;
		if (!begin_session(s, fds[0]))
			break;
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

static void run(void *ctx, int report)
{
	struct start *st = ctx;
	struct session s = {0};
	struct err e = {0};
	int r;

	umask(0);
	r = confine(st, report, &s, &e);
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

int vol_server_start(const struct vol_spec *v, char *title, size_t title_size,
        struct vol_server *out, struct err *e)
{
	int pair[2];
	auto_fd int report = -1;
	struct start st = {.v = v};
	struct helper h = {.program = "fcvm-vol",
	        .name = "volume",
	        .n_keep = 1,
	        .title = title,
	        .title_size = title_size,
	        .pid = &out->pid,
	        .pidfd = &out->pidfd,
	        .fn = run,
	        .ctx = &st};

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return err_sys(e, "cannot make a socket pair");
	st.control = pair[1];
	h.keep = &pair[1];
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

int vol_server_session(const struct vol_server *server, int wire)
{
	int r = fds_send(server->control, "session", 7, &wire, 1);

	close(wire);
	return r;
}
