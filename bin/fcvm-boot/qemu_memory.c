/* SPDX-License-Identifier: MIT */
#include "qemu_memory.h"
#include "cleanup.h"
#include "fds.h"
#include "status.h"
#include "strv.h"

#include <fcntl.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <pthread.h>
#include <seccomp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

/* The thread's. */
struct guard {
	int listener; /* of the filter's notifications */
	int file;     /* the memory's, for reading */
	char path[QEMU_MEMORY_PATH];
	pid_t pid;
};

static void guard_free(struct guard *t)
{
	if (t->listener >= 0)
		close(t->listener);
	if (t->file >= 0)
		close(t->file);
	free(t);
}

/* --- in the child --- */

/* Calls that open for reading are not bothered, or the dynamic loader would be. */
static int add_rules(scmp_filter_ctx filter)
{
	int r = seccomp_rule_add(filter, SCMP_ACT_NOTIFY, SCMP_SYS(openat), 1,
	        SCMP_A2(SCMP_CMP_MASKED_EQ, O_ACCMODE, O_RDWR));

	return r < 0 ? r
	             : seccomp_rule_add(filter, SCMP_ACT_NOTIFY, SCMP_SYS(fallocate), 1,
	                       SCMP_A1(SCMP_CMP_MASKED_EQ, FALLOC_FL_PUNCH_HOLE,
	                               FALLOC_FL_PUNCH_HOLE));
}

int qemu_memory_prepare(void *ctx)
{
	const struct qemu_memory *g = ctx;
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
	int r = filter ? add_rules(filter) : -ENOMEM, listener;

	if (r == 0)
		r = seccomp_load(filter);
	if (r == -ECANCELED)
		r = -errno; /* what the kernel said */
	if (r == 0) {
		listener = seccomp_notify_fd(filter);
		r = fds_send(g->theirs, "", 1, &listener, 1);
		close(listener);
	}
	if (filter)
		seccomp_release(filter);
	errno = -r;
	return r < 0 ? -1 : 0;
}

/* --- in the parent --- */

static bool opens_memory(const struct guard *t, const struct seccomp_notif *call)
{
	char said[QEMU_MEMORY_PATH];
	size_t n = strlen(t->path) + 1;
	struct iovec local = {said, n}, remote = {(void *)(uintptr_t)call->data.args[1], n};

	return process_vm_readv(t->pid, &local, 1, &remote, 1, 0) == (ssize_t)n &&
	       !memcmp(said, t->path, n);
}

static int give_file(const struct guard *t, const struct seccomp_notif *call)
{
	struct seccomp_notif_addfd a = {.id = call->id,
	        .srcfd = (uint32_t)t->file,
	        .newfd_flags = (uint32_t)call->data.args[2] & O_CLOEXEC};

	return ioctl(t->listener, SECCOMP_IOCTL_NOTIF_ADDFD, &a);
}

/* Whether QEMU's descriptor is of the memory, however it was opened: 1 or 0; -1: nobody can tell.
 */
static int is_memory(const struct guard *t, int fd)
{
	struct stat mine, theirs;
	char path[64];

	snprintf(path, sizeof path, "/proc/%d/fd/%d", (int)t->pid, fd);
	if (fstat(t->file, &mine) < 0 || stat(path, &theirs) < 0)
		return -1;
	return mine.st_dev == theirs.st_dev && mine.st_ino == theirs.st_ino;
}

/* What is none of this file's business goes on as if nobody had asked. */
static void answer(
        const struct guard *t, const struct seccomp_notif *call, struct seccomp_notif_resp *a)
{
	int r;

	*a = (struct seccomp_notif_resp){.id = call->id};
	if (call->data.nr == SCMP_SYS(openat) && opens_memory(t, call)) {
		r = give_file(t, call);
		a->val = r;
		a->error = r < 0 ? -EMFILE : 0;
	} else if (call->data.nr == SCMP_SYS(fallocate) &&
	           (r = is_memory(t, (int)call->data.args[0]))) {
		a->error = r < 0 ? -EOPNOTSUPP : 0;
	} else {
		a->flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
	}
	seccomp_notify_respond(t->listener, a); /* fails if who asked has been killed */
}

/* The kernel wants the memory for each call zeroed, and knows how large it is. Who asked may have
 * been killed meanwhile, or interrupted by a signal, and asks again then. false: it is over. */
static bool attend_call(const struct guard *t)
{
	struct seccomp_notif_resp *a = NULL;
	struct seccomp_notif *call = NULL;
	bool good = seccomp_notify_alloc(&call, &a) == 0;

	/* The library says ECANCELED for whatever the kernel said. */
	if (good && seccomp_notify_receive(t->listener, call) == 0)
		answer(t, call, a);
	else if (good)
		good = errno == ENOENT || errno == EINTR;
	seccomp_notify_free(call, a);
	return good;
}

static void *attend(void *ctx)
{
	struct guard *t = ctx;
	struct pollfd p = {.fd = t->listener, .events = POLLIN};
	int n;

	do
		n = poll(&p, 1, -1);
	while ((n < 0 && errno == EINTR) || (n == 1 && (p.revents & POLLIN) && attend_call(t)));
	guard_free(t);
	return NULL;
}

/* Signals are the other threads' business. */
static int start_thread(struct guard *t)
{
	pthread_attr_t detached;
	sigset_t all, was;
	pthread_t thread;
	int r;

	sigfillset(&all);
	pthread_attr_init(&detached);
	pthread_attr_setdetachstate(&detached, PTHREAD_CREATE_DETACHED);
	pthread_sigmask(SIG_SETMASK, &all, &was);
	r = pthread_create(&thread, &detached, attend, t);
	pthread_sigmask(SIG_SETMASK, &was, NULL);
	pthread_attr_destroy(&detached);
	return r;
}

int qemu_memory_begin(struct qemu_memory *g, int file, const char *path, struct err *e)
{
	int p[2];

	*g = (struct qemu_memory){.file = file, .ours = -1, .theirs = -1};
	snprintf(g->path, sizeof g->path, "%s", path);
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, p) < 0)
		return err_sys(e, "cannot make the machine's sockets");
	g->ours = p[0];
	g->theirs = p[1];
	return 0;
}

int qemu_memory_guard(const struct qemu_memory *g, pid_t pid, struct err *e)
{
	struct guard *t = xcalloc(1, sizeof *t);
	char own[QEMU_MEMORY_PATH], byte;
	int fds[FDS_MAX], r;
	size_t n_fds = 0;

	*t = (struct guard){.listener = -1, .pid = pid};
	memcpy(t->path, g->path, sizeof t->path);
	snprintf(own, sizeof own, "/proc/self/fd/%d", g->file);
	t->file = open(own, O_RDONLY | O_CLOEXEC);
	if (fds_receive(g->ours, &byte, 1, fds, &n_fds, MSG_DONTWAIT) == 1 && n_fds == 1)
		t->listener = fds[0];
	r = t->file < 0 || t->listener < 0 ? EBADF : start_thread(t);
	if (r == 0)
		return 0;
	guard_free(t);
	errno = r;
	return err_sys(e, "cannot guard the machine's memory");
}

void qemu_memory_end(struct qemu_memory *g)
{
	if (g->ours >= 0)
		close(g->ours);
	if (g->theirs >= 0)
		close(g->theirs);
	g->ours = g->theirs = -1;
}
