/* SPDX-License-Identifier: MIT
 * tapguest PROGRAM [ARG…]: stands for a virtual machine in tests of fcvm-net. Runs PROGRAM in a
 * network namespace whose eth0 is the guest's end of the TAP that FCVM_TAP_FD is, and carries
 * frames between the two as a hypervisor does. Ends with PROGRAM's status. */
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define SETUP                                                                                \
	"set -e; ip link set lo up; ip link set eth0 address 02:fc:00:00:00:01 mtu $0; "     \
	"ip link set eth0 up; ip addr add 10.0.2.100/24 dev eth0; "                          \
	"ip addr add fd00:0:0:2::100/64 dev eth0 nodad; ip route add default via 10.0.2.1; " \
	"ip route add default via fd00:0:0:2::1; exec \"$@\""

static void die(const char *what)
{
	perror(what);
	_exit(125);
}

static void write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		die(path);
	close(fd);
}

/* With the privileges of an ordinary user, too. */
static void new_namespace(void)
{
	char map[64];
	unsigned uid = getuid(), gid = getgid();

	if (unshare(CLONE_NEWNET) == 0)
		return;
	if (unshare(CLONE_NEWUSER | CLONE_NEWNET) < 0)
		die("unshare");
	write_file("/proc/self/setgroups", "deny");
	snprintf(map, sizeof map, "0 %u 1", uid);
	write_file("/proc/self/uid_map", map);
	snprintf(map, sizeof map, "0 %u 1", gid);
	write_file("/proc/self/gid_map", map);
}

static int mtu_of_tap(void)
{
	struct ifreq ifr = {.ifr_name = "fcvm0"};
	int s = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (s < 0 || ioctl(s, SIOCGIFMTU, &ifr) < 0)
		die("mtu");
	close(s);
	return ifr.ifr_mtu;
}

static int tap(void)
{
	struct ifreq ifr = {.ifr_name = "eth0", .ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR};
	int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);

	if (fd < 0 || ioctl(fd, TUNSETIFF, &ifr) < 0)
		die("tun");
	return fd;
}

static void carry(int from, int to)
{
	static char frame[1 << 17];
	ssize_t n = read(from, frame, sizeof frame);

	if (n > 0 && write(to, frame, (size_t)n) < 0)
		return; /* the other side is not up yet: lost, as on a wire */
}

int main(int argc, char **argv)
{
	int host = atoi(getenv("FCVM_TAP_FD") ? getenv("FCVM_TAP_FD") : "-1"), guest, end[2],
	    status;
	char mtu[16];
	pid_t pid;

	if (argc < 2 || fcntl(host, F_GETFL) < 0 || pipe2(end, O_CLOEXEC) < 0)
		die("usage: fcvm-net -- tapguest PROGRAM");
	snprintf(mtu, sizeof mtu, "%d", mtu_of_tap());
	new_namespace();
	guest = tap();
	pid = fork();
	if (pid == 0) {
		char **line = calloc((size_t)argc + 5, sizeof *line);

		prctl(PR_SET_PDEATHSIG, SIGKILL);
		close(host);
		line[0] = strdup("sh");
		line[1] = strdup("-c");
		line[2] = strdup(SETUP);
		line[3] = mtu;
		memcpy(line + 4, argv + 1, (size_t)argc * sizeof *argv);
		execvp("sh", line);
		_exit(127);
	}
	close(end[1]);
	for (;;) {
		struct pollfd p[2] = {
		        {.fd = host, .events = POLLIN}, {.fd = guest, .events = POLLIN}};

		/* SIGCHLD does not wake it: look now and then. */
		poll(p, 2, 20);
		if (p[0].revents)
			carry(host, guest);
		if (p[1].revents)
			carry(guest, host);
		if (waitpid(pid, &status, WNOHANG) == pid)
			return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
	}
}
