/* SPDX-License-Identifier: MIT */
#include "proc.h"
#include "cleanup.h"
#include "status.h"
#include "strv.h"
#include "tap.h"
#include "tmpdir.h"

#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#define SH(script) ((char *const[]){(char *)"sh", (char *)"-c", (char *)(script), NULL})

static const struct proc_opts quiet = {.in = -1, .out = -1, .err = -1};

/* What the script prints, as proc_output() has it. */
static char *output_of(const char *script)
{
	struct err e = {0};
	char *out = NULL;

	if (proc_output(SH(script), 1 << 20, &out, &e) < 0)
		out = xasprintf("error: %s", e.text);
	return out;
}

static void statuses(void)
{
	struct err e = {0};

	is_int(proc_run(SH("exit 0"), &quiet, &e), 0, "success");
	is_int(proc_run(SH("exit 7"), &quiet, &e), 7, "a status");
	is_int(proc_run(SH("kill -TERM $$"), &quiet, &e), 128 + SIGTERM, "a signal");
}

static void cannot_execute(const struct tmpdir *d)
{
	char *argv[] = {(char *)"/no/such/program", NULL};
	auto_free char *file = xasprintf("%s/plain", d->path);
	struct err e = {0};

	is_int(proc_run(argv, &quiet, &e), -1, "a missing program is an error here");
	is_int(e.status, FCVM_EX_NOENT, "with the status of a missing command");
	is_str(e.text, "cannot run /no/such/program: No such file or directory", "and its name");
	argv[0] = (char *)"no-such-program-in-path";
	is_int(proc_run(argv, &quiet, &e), -1, "so is one that PATH does not have");
	is_int(e.status, FCVM_EX_NOENT, "with the same status");
	write_file_at(d->fd, "plain", "x", 1, 0600);
	argv[0] = file;
	is_int(proc_run(argv, &quiet, &e), -1, "a file that is no program is an error");
	is_int(e.status, FCVM_EX_NOEXEC, "of another status");
}

static void descriptors(void)
{
	auto_fd int kept = open("/dev/zero", O_RDONLY | O_CLOEXEC);
	auto_fd int leaked = open("/dev/full", O_RDONLY);
	auto_fd int out = memfd_create("out", MFD_CLOEXEC);
	struct proc_opts o = {.in = -1, .out = out, .err = -1, .keep = &kept, .n_keep = 1};
	auto_free char *want = xasprintf("0\n1\n2\n%d\n", kept);
	char got[256] = "";
	struct err e = {0};

	ok(kept > 2 && leaked > 2, "(two descriptors, one of them not close-on-exec)");
	is_int(proc_run(SH("ls /proc/$$/fd; :"), &o, &e), 0, "a child looks at its descriptors");
	ok(pread(out, got, sizeof got - 1, 0) > 0, "and prints them");
	is_str(got, want, "it has 0, 1, 2 and what is kept, nothing else");
	is_int(fcntl(kept, F_GETFD), FD_CLOEXEC, "here the kept one stays close-on-exec");
}

/* Descriptors that are to become each other's number must not overwrite each other. */
static void crossed_descriptors(void)
{
	auto_fd int a = memfd_create("a", 0), b = memfd_create("b", 0);
	auto_fd int saved_out = dup(1), saved_err = dup(2);
	struct proc_opts o = {.in = -1, .out = 2, .err = 1};
	char got[16] = "";
	struct err e = {0};
	int r;

	fflush(stdout);
	dup2(a, 1);
	dup2(b, 2);
	r = proc_run(SH("echo out; echo err >&2"), &o, &e);
	dup2(saved_out, 1);
	dup2(saved_err, 2);
	is_int(r, 0, "a child with 1 and 2 exchanged");
	is_int(pread(a, got, 15, 0), 4, "wrote its errors");
	is_str(got, "err\n", "to what was 1");
	is_int(pread(b, got, 15, 0), 4, "and its output");
	is_str(got, "out\n", "to what was 2");
}

static void clean_start(void)
{
	char *argv[] = {(char *)"sed", (char *)"-n",
	        (char *)"s/^Sig\\(Blk\\|Ign\\):[[:space:]]*//p", (char *)"/proc/self/status", NULL};
	auto_free char *text = NULL, *in = NULL;
	struct err e = {0};
	unsigned long ignore[8] = {(unsigned long)SIG_IGN};
	sigset_t set;

	/* One of glibc's own, which signal(2) does not touch: posix_spawn(3) hands it on so. */
	syscall(SYS_rt_sigaction, 33, ignore, NULL, 8);
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
	/* Not by a shell: that would unblock signals itself. */
	ok(proc_output(argv, 1000, &text, &e) == 0, "a child looks at its signals");
	is_str(text, "0000000000000000\n0000000000000000\n", "no signal is blocked or ignored");
	sigprocmask(SIG_UNBLOCK, &set, NULL);
	signal(SIGPIPE, SIG_DFL);
	in = output_of("readlink /proc/self/fd/0");
	is_str(in, "/dev/null\n", "standard input is /dev/null");
}

static void environment_and_session(void)
{
	static const char *const env[] = {"ONLY=this", NULL};
	auto_fd int out = memfd_create("out", MFD_CLOEXEC);
	struct proc_opts o = {.in = -1, .out = out, .err = -1, .env = env, .new_session = true};
	char *argv[] = {(char *)"/usr/bin/env", NULL}, got[64] = "", sid[64] = "";
	struct err e = {0};

	is_int(proc_run(argv, &o, &e), 0, "env runs");
	is_int(pread(out, got, sizeof got - 1, 0), 10, "and prints");
	is_str(got, "ONLY=this\n", "the given environment alone");
	o.env = NULL;
	if (ftruncate(out, 0) < 0)
		abort();
	lseek(out, 0, SEEK_SET);
	is_int(proc_run(SH("set -- $(cat /proc/$$/stat); [ $6 = $$ ] && echo own"), &o, &e), 0,
	        "a child asks for its session");
	ok(pread(out, sid, 63, 0) == 4, "which is its own");
}

static void killing(void)
{
	char *argv[] = {(char *)"sleep", (char *)"1000", NULL};
	struct err e = {0};
	struct proc p;

	is_int(proc_start(&p, argv, &quiet, &e), 0, "a child starts");
	is_int(fcntl(p.pidfd, F_GETFD), FD_CLOEXEC, "its pidfd is close-on-exec");
	proc_kill(&p, SIGKILL);
	is_int(proc_status(proc_wait(&p)), 128 + SIGKILL, "and is killed");
	is_int(p.pidfd, -1, "waiting closes the pidfd");
	proc_kill(&p, SIGKILL); /* reaches nobody: must not reach a reused pid */
	is_int(proc_wait(&p), -ECHILD, "there is nothing more to wait for");
}

/* A process that starts a child and is killed. The child must not outlive it. */
static void parent_death(void)
{
	char *argv[] = {(char *)"sleep", (char *)"1000", NULL};
	int pipefd[2];
	pid_t middle, child = 0;
	struct pollfd pf = {.events = POLLIN};

	if (pipe2(pipefd, O_CLOEXEC) < 0)
		abort();
	middle = fork();
	if (middle == 0) {
		struct proc p;

		if (proc_start(&p, argv, &quiet, NULL) < 0 ||
		        write_full(pipefd[1], &p.pid, sizeof p.pid) < 0)
			_exit(1);
		pause();
		_exit(0);
	}
	is_int(read_full(pipefd[0], &child, sizeof child), sizeof child, "a grandchild runs");
	pf.fd = (int)syscall(SYS_pidfd_open, child, 0);
	ok(pf.fd >= 0, "and is watched");
	kill(middle, SIGKILL);
	waitpid(middle, NULL, 0);
	is_int(poll(&pf, 1, 10000), 1, "it dies with its parent");
	close(pf.fd);
	close(pipefd[0]);
	close(pipefd[1]);
}

static void outputs(void)
{
	auto_free char *text = output_of("printf 'a\\nb\\n'"), *none = output_of("true");
	auto_free char *big = output_of("head -c 300000 /dev/zero | tr '\\0' x");
	struct err e = {0};
	char *out = NULL;

	is_str(text, "a\nb\n", "output is collected as it is");
	is_str(none, "", "no output is an empty string");
	is_int(strlen(big), 300000, "more than a pipe holds");
	is_int(proc_output(SH("echo 12345"), 5, &out, &e), -1,
	        "output above the limit is an error");
	is_int(e.status, FCVM_EX_DATA, "of the data");
	is_int(proc_output(SH("echo one >&2; echo two >&2; exit 3"), 99, &out, &e), -1, "failure");
	is_str(e.text, "sh failed (status 3): two", "is told by the last line of stderr");
	is_int(proc_output(SH("printf 'no end' >&2; exit 1"), 99, &out, &e), -1, "another");
	is_str(e.text, "sh failed (status 1): no end", "whose line has no end");
	ok(!out, "nothing is handed out");
}

int main(void)
{
	auto_tmpdir struct tmpdir d = tmpdir_make();

	statuses();
	cannot_execute(&d);
	descriptors();
	crossed_descriptors();
	clean_start();
	environment_and_session();
	killing();
	parent_death();
	outputs();
	return done();
}
