/* SPDX-License-Identifier: MIT
 * pasta of Debian 12 has traps. As root it becomes nobody, fails to write its uid map and then
 * spins for ever: --runas 0. Given a process it joins that process's user namespace, which may
 * clear its parent-death signal: so it is given the network namespace alone, and the capabilities
 * to enter it. By default it forwards every port in both directions, and lets the guest reach the
 * host's loopback address through the gateway's. */
#include "pasta.h"
#include "cleanup.h"
#include "failpoint.h"
#include "fds.h"
#include "helper.h"
#include "proc.h"
#include "status.h"
#include "strv.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <sched.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#define ERRORS_SIZE 16384

struct job {
	const struct pasta *p;
	int main_pidfd; /* PROGRAM's process */
};

static int ambient_capabilities(void)
{
	struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct caps[2];

	if (syscall(SYS_capget, &head, caps) < 0)
		return -1;
	for (int i = 0; i < 2; i++)
		caps[i].inheritable = caps[i].permitted;
	if (syscall(SYS_capset, &head, caps) < 0)
		return -1;
	for (int i = 0; i < 64; i++)
		if (caps[i / 32].permitted & 1U << i % 32 &&
		        prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, i, 0, 0) < 0)
			return -1;
	return 0;
}

static void command(const struct pasta *p, int netns, struct strv *argv)
{
	strv_addl(argv, "pasta", "--foreground", "--quiet", "--netns", NULL);
	strv_addf(argv, "/proc/self/fd/%d", netns);
	strv_addl(argv, "--netns-only", "--no-netns-quit", "--ns-ifname", p->link, "--mtu", p->mtu,
	        NULL);
	strv_addl(argv, "--tcp-ports", "none", "--udp-ports", "none", "--tcp-ns", "none",
	        "--udp-ns", "none", "--no-map-gw", "--no-dhcp", "--no-dhcpv6", "--no-ra", NULL);
	if (*p->host_if)
		strv_addl(argv, "--interface", p->host_if, NULL);
	if (p->own4)
		strv_addl(argv, "--address", p->own4, "--netmask", "29", "--gateway", p->gateway4,
		        NULL);
	if (p->own6)
		strv_addl(argv, "--address", p->own6, "--gateway", p->gateway6, NULL);
	if (!p->own6)
		strv_add(argv, "--ipv4-only");
	if (!p->own4)
		strv_add(argv, "--ipv6-only");
	if (geteuid() == 0)
		strv_addl(argv, "--runas", "0", NULL);
}

/* A file that holds so much and no more: pasta may complain of every packet of a hostile guest. */
static int errors_file(void)
{
	auto_fd int fd = memfd_create("pasta", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd < 0 || ftruncate(fd, ERRORS_SIZE) < 0 ||
	        fcntl(fd, F_ADD_SEALS, F_SEAL_GROW | F_SEAL_SHRINK) < 0)
		return -1;
	return steal_fd(&fd);
}

/* Its last complaint that is not about syslog. */
static void last_words(int fd, char *out, size_t size)
{
	char text[ERRORS_SIZE + 1], *next = text, *line;
	ssize_t n = pread(fd, text, ERRORS_SIZE, 0);

	text[n > 0 ? n : 0] = 0;
	snprintf(out, size, "it says nothing");
	while ((line = strsep(&next, "\n")))
		if (*line && !strstr(line, "to syslog"))
			snprintf(out, size, "%.*s", (int)size - 1, line);
}

/* PROGRAM's standard error as it is now, borrowed for one line: a helper that held it open would
 * keep the reader of a pipe waiting after PROGRAM has turned away from it. */
static void tell_user(int main_pidfd, const struct err *e)
{
	auto_fd int err = (int)syscall(SYS_pidfd_getfd, main_pidfd, STDERR_FILENO, 0);

	if (err >= 0)
		dprintf(err, "fcvm-net: %s\n", e->text);
}

static void run(const struct job *j, int report, int netns)
{
	auto_strv struct strv argv = {0};
	auto_fd int errors = errors_file();
	struct proc_opts o = {.in = -1, .out = -1, .err = errors, .keep = &netns, .n_keep = 1};
	char why[300] = "";
	struct proc pasta;
	struct err e = {0};
	int status;

	failpoint("uplink-asked");
	command(j->p, netns, &argv);
	if (errors < 0 || (j->p->ambient && ambient_capabilities() < 0)) {
		err_sys(&e, "cannot prepare to run pasta");
		helper_tell(report, &e);
		return;
	}
	if (proc_start(&pasta, argv.v, &o, &e) < 0) {
		if (e.status == FCVM_EX_NOENT)
			err_set(&e, FCVM_EX_FAIL,
			        "--network rootless needs pasta: as root, run: apt-get install "
			        "passt");
		e.status = FCVM_EX_FAIL;
		helper_tell(report, &e);
		return;
	}
	failpoint("pasta-started");
	status = proc_status(proc_wait(&pasta));
	last_words(errors, why, sizeof why);
	err_set(&e, FCVM_EX_FAIL, "pasta ended (status %d): %s: the guest has no network any more",
	        status, why);
	/* Before PROGRAM runs, somebody reads this. */
	if (!helper_tell(report, &e))
		tell_user(j->main_pidfd, &e);
}

static void serve(void *ctx, int report)
{
	int fds[FDS_MAX];
	size_t n_fds;
	char byte;

	if (fds_receive(report, &byte, 1, fds, &n_fds, 0) == 1 && n_fds == 1)
		run(ctx, report, fds[0]);
}

int pasta_start(const struct pasta *p, char *title, size_t title_size, int *line, struct err *e)
{
	auto_fd int me = pidfd_open(getpid(), 0);
	struct job j = {.p = p, .main_pidfd = me};
	struct helper h = {.program = "fcvm-net",
	        .name = "uplink",
	        .clone_flags = CLONE_NEWPID,
	        .keep = &me,
	        .n_keep = 1,
	        .title = title,
	        .title_size = title_size,
	        .fn = serve,
	        .ctx = &j};

	if (me < 0)
		return err_sys(e, "cannot watch this process");
	return helper_start(&h, line, e);
}

int pasta_attach(int line, struct err *e)
{
	auto_fd int netns = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	int r = netns < 0 ? -errno : fds_send(line, "N", 1, &netns, 1);

	errno = -r;
	return r < 0 ? err_sys(e, "cannot start pasta") : 0;
}
