/* SPDX-License-Identifier: MIT */
#include "logs.h"
#include "cleanup.h"
#include "control.h"
#include "json.h"
#include "status.h"
#include "vms.h"

#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <string.h>
#include <sys/inotify.h>
#include <time.h>

struct follow {
	char *dir;        /* by its descriptor: a VM may be renamed */
	int dirfd, watch; /* watch: the run directory, until the log is there */
	struct control vm;
	struct clog_reader *reader;
	struct log_view view;
	bool ended;
};

/* How long until the time that is wanted last, in milliseconds; 0: it has come. */
static int time_left(const struct follow *f)
{
	int64_t until = f->view.want.until, now;
	struct timespec ts;

	if (until == INT64_MAX)
		return -1;
	clock_gettime(CLOCK_REALTIME, &ts);
	now = (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
	if (now >= until)
		return 0;
	/* At most a minute: the clock may be set meanwhile. */
	return until - now > 60000000000 ? 60000 : (int)((until - now) / 1000000) + 1;
}

/* Until something happens: 1; 0: nobody reads us any more, or the time is over. fd: of the VM, or
 * -1. */
static int wait_for(struct follow *f, int fd, bool *told)
{
	char events[4096];
	struct pollfd polled[3] = {
	        {.fd = STDOUT_FILENO},
	        {.fd = fd, .events = POLLIN},
	        {.fd = f->reader ? clog_reader_fd(f->reader) : f->watch, .events = POLLIN},
	};
	int left = time_left(f);

	if (left == 0)
		return 0;
	if (poll(polled, 3, left) < 0)
		return 1;
	*told = polled[1].revents != 0;
	if (polled[2].revents && !f->reader && read(f->watch, events, sizeof events) < 0)
		return 1;
	return !(polled[0].revents & (POLLERR | POLLHUP | POLLNVAL));
}

/* A VM that is just starting is waited for: 1; 0: no more reason to. */
static int connect_vm(struct follow *f, struct err *e)
{
	bool told;

	for (;;) {
		int r = control_connect(f->dir, &f->vm, e);

		if (r == 0)
			return control_send(&f->vm,
			               json_pack("{s:s, s:b}", "type", "WAIT", "hold", 1), e) < 0
			               ? -1
			               : 1;
		control_close(&f->vm);
		/* What goes last at a VM's end is its lock. */
		f->ended = e->status == FCVM_EX_NOTFOUND ||
		           (faccessat(f->dirfd, "lock", F_OK, AT_SYMLINK_NOFOLLOW) < 0 &&
		                   errno == ENOENT);
		if (f->ended)
			return 1;
		if (e->status != FCVM_EX_BUSY)
			return -1;
		if (!wait_for(f, -1, &told))
			return 0;
	}
}

/* Takes in what the VM says. */
static int hear(struct follow *f, struct err *e)
{
	do {
		bool closed;
		auto_json json_t *j = control_receive(&f->vm, CONTROL_MS, &closed, e);
		const char *type = json_string_value(json_object_get(j, "type"));

		if (!j && !closed)
			return -1;
		f->ended |= !j || (type && !strcmp(type, "ENDED"));
	} while (!f->ended && f->vm.in.end > f->vm.in.start);
	return 0;
}

bool log_is_going(int dirfd)
{
	return faccessat(dirfd, VMS_STATE, F_OK, AT_SYMLINK_NOFOLLOW) < 0;
}

int log_none(struct err *e)
{
	return err_set(e, FCVM_EX_NOTFOUND, "the VM keeps no log (--log-driver none)");
}

/* A VM that runs has its log from the first; one without will never have one. */
static int open_log(struct follow *f, struct err *e)
{
	auto_json json_t *state = NULL;
	const char *log;
	int r;

	if (f->reader)
		return 0;
	r = clog_reader_open(f->dirfd, !f->ended, &f->reader);
	if (r == 0) {
		r = log_view_tail(&f->view, f->reader);
		f->view.reader = f->reader;
	}
	if (r == 0 || (r == -ENOENT && f->ended))
		return 0;
	if (r != -ENOENT) {
		errno = -r;
		return err_sys(e, "cannot read the log");
	}
	state = json_load_at(f->dirfd, VMS_STATE, NULL);
	log = json_string_value(json_object_get(state, "log"));
	return log && !strcmp(log, "none") ? log_none(e) : 0;
}

static int follow(struct follow *f, struct err *e)
{
	int more = connect_vm(f, e);

	while (more > 0) {
		bool told = false;
		int r;

		if (open_log(f, e) < 0)
			return -1;
		if (f->vm.fd < 0 && log_is_going(f->dirfd))
			return LOG_GONE;
		r = f->reader ? log_view_drain(&f->view, f->reader) : 0;
		if (r == -EPIPE)
			return 0;
		if (r < 0) {
			errno = -r;
			return err_sys(e, "cannot print the log");
		}
		if (f->ended)
			return 0;
		more = wait_for(f, f->vm.fd, &told);
		if (told && hear(f, e) < 0)
			return -1;
	}
	return more;
}

int log_follow(int dirfd, const struct log_want *want, uint64_t *lost, struct err *e)
{
	auto_free struct follow *f = xcalloc(1, sizeof *f);
	auto_free char *dir = xasprintf("/proc/self/fd/%d", dirfd);
	int r = -1;

	*f = (struct follow){.dir = dir, .dirfd = dirfd, .vm = {.fd = -1}};
	log_view_init(&f->view, want);
	f->watch = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	/* What goes last at a VM's end is its lock. */
	if (f->watch < 0 ||
	        inotify_add_watch(f->watch, dir, IN_CREATE | IN_MOVED_TO | IN_DELETE) < 0)
		err_sys(e, "cannot watch the VM's directory");
	else
		r = follow(f, e);
	*lost = f->reader ? clog_reader_lost(f->reader) : 0;
	control_close(&f->vm);
	clog_reader_free(f->reader);
	if (f->watch >= 0)
		close(f->watch);
	return r;
}
