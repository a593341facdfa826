/* SPDX-License-Identifier: MIT
 * The streams are carried by a process of their own, so that whoever reads or writes the pipe may
 * block on it. */
#include "cp_tool.h"
#include "cleanup.h"
#include "json.h"
#include "status.h"
#include "streams.h"
#include "xio.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#define REPORT_FD 3
#define SAID_MAX  256

/* Less than PIPE_BUF, so that it is written at once or not at all. */
struct report {
	int result; /* of streams_run() */
	int status; /* of the command */
	struct err e;
	char error[512]; /* why it could not run */
	char said[SAID_MAX];
};

struct listener {
	int fd;
	char *said;
};

/* Keeps the beginning of what the command says on stderr. */
static void *listen_to(void *ctx)
{
	struct listener *l = ctx;
	char buf[4096];
	size_t n = 0;
	ssize_t got;

	while ((got = read_full(l->fd, buf, sizeof buf)) > 0) {
		size_t keep = SAID_MAX - 1 - n;

		if ((size_t)got < keep)
			keep = (size_t)got;
		memcpy(l->said + n, buf, keep);
		n += keep;
	}
	return NULL;
}

static json_t *request(const struct strv *args, bool reads, bool as_root, struct err *e)
{
	auto_json json_t *list = json_array();

	for (size_t i = 0; i < args->n; i++)
		if (json_array_append_new(list, json_string(args->v[i])) < 0) {
			err_set(e, FCVM_EX_USAGE,
			        "%s: a path in a VM must be valid UTF-8, which JSON is limited to",
			        args->v[i]);
			return NULL;
		}
	return json_pack("{s:s, s:O, s:b, s:b, s:b, s:s, s:s*}", "type", "EXEC", "args", list,
	        "tool", 1, "interactive", (int)reads, "privileged", (int)as_root, "cwd", "/",
	        "user", as_root ? "0" : NULL);
}

static void carry(const char *dir, json_t *asked, bool reads, struct report *rep)
{
	struct streams_opts so = {.keep_stdin = !reads, .timeout_ms = -1};
	struct streams_end end = {.status = 0};
	struct control c;
	int r = control_connect(dir, &c, &rep->e);

	if (r == 0)
		r = control_send(&c, asked, &rep->e);
	else
		json_decref(asked);
	if (r == 0)
		r = streams_run(&c, &so, &end, &rep->e);
	else
		control_close(&c);
	rep->result = r;
	rep->status = end.status;
	memcpy(rep->error, end.error, sizeof rep->error);
}

static void __attribute__((noreturn))
carrier(const char *dir, json_t *asked, bool reads, int pipe_fd, int report_fd)
{
	struct report rep = {.result = -1};
	struct listener l = {-1, rep.said};
	int null = open("/dev/null", O_RDWR), err_pipe[2];
	pthread_t thread;

	err_set(&rep.e, FCVM_EX_FAIL, "cannot carry the streams");
	if (null < 0 || dup2(pipe_fd, reads ? 0 : 1) < 0 || dup2(null, reads ? 1 : 0) < 0 ||
	        dup2(report_fd, REPORT_FD) < 0)
		_exit(FCVM_EX_FAIL);
	/* The parent's end of this pipe, and both of another command's, would keep it open. */
	close_range(REPORT_FD + 1, ~0U, 0);
	if (pipe(err_pipe) == 0 && dup2(err_pipe[1], 2) == 2) {
		close(err_pipe[1]);
		l.fd = err_pipe[0];
		if (pthread_create(&thread, NULL, listen_to, &l) == 0) {
			carry(dir, asked, reads, &rep);
			close(2);
			pthread_join(thread, NULL);
		}
	}
	_exit(write_full(REPORT_FD, &rep, sizeof rep) < 0 ? FCVM_EX_FAIL : FCVM_EX_OK);
}

int tool_start(const struct vm *vm, const struct strv *args, enum tool_pipe pipe_end, bool as_root,
        struct tool *t, struct err *e)
{
	bool reads = pipe_end == TOOL_READS;
	auto_json json_t *asked = NULL;
	int data[2] = {-1, -1}, report[2] = {-1, -1};
	pid_t parent = getpid();

	*t = TOOL_NONE;
	t->vm = vm->name;
	asked = request(args, reads, as_root, e);
	if (!asked)
		return -1;
	if (pipe2(data, O_CLOEXEC) < 0)
		return err_sys(e, "cannot make a pipe");
	t->fd = data[reads];
	if (pipe2(report, O_CLOEXEC) < 0 || (t->pid = fork()) < 0) {
		err_sys(e, "cannot make a process");
		t->pid = 0;
	} else if (t->pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (getppid() != parent)
			_exit(FCVM_EX_FAIL);
		carrier(vm->dir, steal_ptr(asked), reads, data[!reads], report[1]);
	}
	t->report = report[0];
	close(data[!reads]);
	if (report[1] >= 0)
		close(report[1]);
	return t->pid ? 0 : -1;
}

static int verdict(const struct tool *t, struct report *rep, struct err *e)
{
	rep->error[sizeof rep->error - 1] = 0;
	rep->said[SAID_MAX - 1] = 0;
	rep->said[strcspn(rep->said, "\n")] = 0;
	if (rep->result < 0) {
		*e = rep->e;
		return err_prefix(e, "%s", t->vm);
	}
	if (rep->error[0])
		return err_set(e, FCVM_EX_FAIL, "%s: %s", t->vm, rep->error);
	if (rep->said[0])
		return err_set(e, FCVM_EX_FAIL, "%s: %s", t->vm, rep->said);
	if (rep->status > FCVM_EX_SIGNAL)
		return err_set(e, FCVM_EX_FAIL, "%s: the copy in the VM was ended by signal %d",
		        t->vm, rep->status - FCVM_EX_SIGNAL);
	if (rep->status)
		return err_set(e, FCVM_EX_FAIL, "%s: the copy in the VM failed with status %d",
		        t->vm, rep->status);
	return 0;
}

int tool_end(struct tool *t, struct err *e)
{
	struct report rep;
	ssize_t n = 0;
	int ws;

	if (t->fd >= 0)
		close(t->fd);
	if (t->report >= 0) {
		n = read_full(t->report, &rep, sizeof rep);
		close(t->report);
	}
	t->fd = t->report = -1;
	if (t->pid <= 0)
		return 0;
	while (waitpid(t->pid, &ws, 0) < 0 && errno == EINTR)
		;
	t->pid = 0;
	if (n != sizeof rep)
		return err_set(e, FCVM_EX_FAIL, "%s: the copy was interrupted", t->vm);
	return verdict(t, &rep, e);
}

void tool_kill(const struct tool *t)
{
	if (t->pid > 0)
		kill(t->pid, SIGKILL);
}

ssize_t tool_output(const struct vm *vm, const struct strv *args, bool as_root, char *buf,
        size_t size, struct err *e)
{
	struct err later;
	struct tool t;
	ssize_t n = -1;
	int r = tool_start(vm, args, TOOL_WRITES, as_root, &t, e);

	if (r == 0) {
		n = read_full(t.fd, buf, size);
		r = tool_end(&t, e);
	} else {
		tool_end(&t, &later);
	}
	if (r < 0)
		return -1;
	if (n < 0 || (size_t)n >= size)
		return err_set(e, FCVM_EX_FAIL, "%s: an answer is too long", vm->name);
	buf[n] = 0;
	return n;
}
