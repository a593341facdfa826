/* SPDX-License-Identifier: MIT
 * volguest INDEX MOUNTPOINT PROGRAM [ARG…]: stands for a virtual machine in tests of fcvm-vol.
 * Takes a session of the volume INDEX, mounts it on MOUNTPOINT and runs PROGRAM; what fcvm-vol has
 * to say goes to stderr. Ends with PROGRAM's status. As PROGRAM "-", ends when fcvm-vol says
 * something. With SAVE=FILE in the environment the session is saved to FILE when PROGRAM has ended,
 * as that of a machine is, and goes on. */
#include "fds.h"
#include "fuserelay.h"
#include "volwire.h"

#include <endian.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

struct relay {
	int dev, wire, control;
};

static void __attribute__((noreturn)) die(const char *what)
{
	perror(what);
	_exit(125);
}

static void *relay(void *arg)
{
	struct relay *r = arg;
	struct err e;

	fuserelay_run(r->dev, r->wire, r->control, &e);
	return NULL;
}

static int session(int vol, uint32_t index)
{
	const uint32_t word = htole32(index);
	struct err e;
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0 ||
	        fds_send(vol, &word, sizeof word, &pair[1], 1) < 0)
		die("session");
	close(pair[1]);
	if (fuserelay_hello(pair[0], &e) < 0) {
		fprintf(stderr, "volguest: %s\n", e.text);
		_exit(125);
	}
	return pair[0];
}

static int run(char **argv)
{
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		execvp(argv[0], argv);
		die(argv[0]);
	}
	if (waitpid(pid, &status, 0) != pid)
		die("waitpid");
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static int hear(int vol)
{
	char text[1001];
	ssize_t n = recv(vol, text, sizeof text - 1, 0);

	if (n <= 0)
		return 1;
	text[n] = 0;
	fprintf(stderr, "%s\n", text);
	return 0;
}

static char ask(int control, char byte)
{
	return send(control, &byte, 1, 0) == 1 && recv(control, &byte, 1, 0) == 1 ? byte : 0;
}

static void save(int vol, int control, uint32_t index, const char *path)
{
	const struct volwire_order o = {htole32(index), htole32(VOLWIRE_SAVE), 0, 0, 0};
	int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	struct volwire_answer a = {0, 0, -1};

	if (fd < 0 || ask(control, FUSERELAY_CTL_REST) != FUSERELAY_CTL_RESTED ||
	        fds_send(vol, &o, sizeof o, &fd, 1) < 0 || recv(vol, &a, sizeof a, 0) != sizeof a ||
	        (int64_t)le64toh((uint64_t)a.result) <= 0 ||
	        ask(control, FUSERELAY_CTL_GO) != FUSERELAY_CTL_GONE_ON)
		die("save");
	close(fd);
}

int main(int argc, char **argv)
{
	const char *number = getenv("FCVM_VOL_FD"), *mode = getenv("ROOTMODE");
	struct relay r = {.dev = open("/dev/fuse", O_RDWR | O_CLOEXEC)};
	char options[160];
	int vol, status, pair[2];
	pthread_t t;

	if (argc < 4 || !number || r.dev < 0)
		die("FCVM_VOL_FD or /dev/fuse");
	vol = atoi(number);
	fcntl(vol, F_SETFD, FD_CLOEXEC);
	r.wire = session(vol, (uint32_t)atoi(argv[1]));
	snprintf(options, sizeof options,
	        "fd=%d,rootmode=%s,user_id=0,group_id=0,allow_other,default_permissions", r.dev,
	        mode ? mode : "40000");
	if (mount("volguest", argv[2], "fuse", 0, options) < 0)
		die("mount");
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		die("socketpair");
	r.control = pair[1];
	if (pthread_create(&t, NULL, relay, &r) != 0)
		die("pthread_create");
	status = strcmp(argv[3], "-") != 0 ? run(argv + 3) : hear(vol);
	if (getenv("SAVE"))
		save(vol, pair[0], (uint32_t)atoi(argv[1]), getenv("SAVE"));
	umount2(argv[2], MNT_DETACH);
	return status;
}
