/* SPDX-License-Identifier: MIT */
#include "early.h"
#include "cleanup.h"
#include "guest_port.h"
#include "stage.h"
#include "status.h"
#include "strv.h"
#include "xio.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/vm_sockets.h>
#include <net/if.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#define FILES_MAX    65536
#define PORT_WAIT_US 5000
#define PORT_TRIES   2000
#define VIRTIO_VSOCK 19
#define MODULE_DIR   "/initrd/lib/fcvm/modules"
#define PROCESSORS   "/sys/devices/system/cpu"

static int mount_at(
        const char *type, const char *at, unsigned long flags, const char *data, struct err *e)
{
	if (mkdir(at, 0755) < 0 && errno != EEXIST)
		return err_sys(e, "cannot make %s", at);
	if (mount(type, at, type, flags, data) < 0)
		return err_sys(e, "cannot mount %s on %s", type, at);
	return 0;
}

int early_mounts(struct err *e)
{
	mkdir("/newroot", 0755);
	if (mount("tmpfs", "/newroot", "tmpfs", MS_NOSUID, "mode=755,size=25%") < 0)
		return err_sys(e, "cannot mount the agent's root");
	if (mkdir("/newroot/initrd", 0700) < 0 ||
	        mount("/", "/newroot/initrd", NULL, MS_BIND, NULL) < 0 ||
	        mount(NULL, "/newroot/initrd", NULL, MS_REMOUNT | MS_BIND | MS_RDONLY, NULL) < 0)
		return err_sys(e, "cannot keep the initramfs");
	if (chdir("/newroot") < 0 || mount(".", "/", NULL, MS_MOVE, NULL) < 0 || chroot(".") < 0 ||
	        chdir("/") < 0)
		return err_sys(e, "cannot enter the agent's root");
	if (mount_at("devtmpfs", "/dev", MS_NOSUID, "mode=755", e) < 0 ||
	        mount_at("proc", "/proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL, e) < 0 ||
	        mount_at("sysfs", "/sys", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL, e) < 0)
		return -1;
	return 0;
}

bool early_option(const char *word)
{
	auto_free char *line = NULL;
	char *save = NULL;

	if (read_file_at(AT_FDCWD, "/proc/cmdline", 65536, &line, NULL) < 0)
		return false;
	for (char *w = strtok_r(line, " \n", &save); w; w = strtok_r(NULL, " \n", &save))
		if (!strcmp(w, word))
			return true;
	return false;
}

/* Modules of devices that a machine may not have. virtio(7) device ids: the virtio specification,
 * section 5. A module not listed here is always loaded. */
static unsigned device_of_module(const char *name)
{
	static const struct {
		const char *module;
		unsigned id;
	} map[] = {{"failover", 1}, {"net_failover", 1}, {"virtio_net", 1}, {"virtio_blk", 2},
	        {"virtio_console", 3}, {"virtio-rng", 4}, {"virtio_rng", 4}, {"virtio_balloon", 5},
	        {"vsock", 19}, {"vmw_vsock_virtio_transport_common", 19},
	        {"vmw_vsock_virtio_transport", 19}};

	for (size_t i = 0; i < sizeof map / sizeof *map; i++)
		if (!strcmp(map[i].module, name))
			return map[i].id;
	return 0;
}

static bool have_device(unsigned id)
{
	DIR *d = opendir("/sys/bus/virtio/devices");
	struct dirent *ent;
	bool found = false;

	while (!found && d && (ent = readdir(d))) {
		auto_free char *text = NULL;
		char path[300];

		snprintf(path, sizeof path, "%s/device", ent->d_name);
		if (read_file_at(dirfd(d), path, 64, &text, NULL) == 0)
			found = strtoul(text, NULL, 16) == id;
	}
	if (d)
		closedir(d);
	return found;
}

/* "NN-name.ko" → "name". */
static void module_name(const char *file, char *name, size_t size)
{
	const char *dash = strchr(file, '-');
	char *dot;

	snprintf(name, size, "%s", dash ? dash + 1 : file);
	dot = strstr(name, ".ko");
	if (dot)
		*dot = 0;
}

static int load(const char *file, struct err *e)
{
	char path[sizeof MODULE_DIR + 256];
	auto_fd int fd = -1;

	snprintf(path, sizeof path, MODULE_DIR "/%.250s", file);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || (syscall(SYS_finit_module, fd, "", 0) < 0 && errno != EEXIST))
		return err_sys(e, "cannot load the kernel module %s", file);
	return 0;
}

int early_modules(struct err *e)
{
	struct dirent **list;
	int n = scandir(MODULE_DIR, &list, NULL, alphasort), r = 0;

	if (n < 0)
		return errno == ENOENT ? 0 : err_sys(e, "cannot list the kernel modules");
	for (int i = 0; i < n; i++) {
		char name[256];
		unsigned id;

		module_name(list[i]->d_name, name, sizeof name);
		id = device_of_module(name);
		if (r == 0 && list[i]->d_name[0] != '.' && (!id || have_device(id)))
			r = load(list[i]->d_name, e);
		free(list[i]);
	}
	free(list);
	return r;
}

int early_processors(struct err *e)
{
	DIR *d = opendir(PROCESSORS);
	struct dirent *ent;
	int r = 0;

	while (r == 0 && d && (ent = readdir(d))) {
		auto_free char *text = NULL;
		char path[300];

		snprintf(path, sizeof path, PROCESSORS "/%.200s/online", ent->d_name);
		if (!strncmp(ent->d_name, "cpu", 3) &&
		        read_file_at(AT_FDCWD, path, 8, &text, NULL) == 0 && *text == '0' &&
		        write_existing(path, "1") < 0)
			r = err_sys(e, "cannot start the processor %s", ent->d_name);
	}
	if (d)
		closedir(d);
	return r;
}

static int loopback_up(void)
{
	auto_fd int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq ifr = {.ifr_name = "lo", .ifr_flags = IFF_UP};

	return fd < 0 || ioctl(fd, SIOCSIFFLAGS, &ifr) < 0 ? -errno : 0;
}

int early_system(struct err *e)
{
	static const char *const controllers[] = {"+cpu", "+memory", "+pids", "+io", "+cpuset"};

	struct rlimit files = {FILES_MAX, FILES_MAX};

	setrlimit(RLIMIT_NOFILE, &files); /* four or so for each session */
	write_existing("/proc/self/oom_score_adj", "-1000");
	if (mount("cgroup2", "/sys/fs/cgroup", "cgroup2", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) <
	        0)
		return err_sys(e, "cannot mount the cgroups");
	for (size_t i = 0; i < sizeof controllers / sizeof *controllers; i++)
		write_existing("/sys/fs/cgroup/cgroup.subtree_control", controllers[i]);
	if (mkdir(STAGE_CGROUP, 0755) < 0)
		return err_sys(e, "cannot make the container's cgroup");
	if (loopback_up() < 0)
		return err_sys(e, "cannot bring the loopback interface up");
	return 0;
}

/* A machine with vsock has its streams there, by number. */
static int dial(const char *name)
{
	struct sockaddr_vm to = {.svm_family = AF_VSOCK, .svm_cid = VMADDR_CID_HOST};
	int number = guest_port_number(name), fd;

	if (number < 0 || !have_device(VIRTIO_VSOCK))
		return -1;
	to.svm_port = (unsigned)number;
	fd = socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd >= 0 && (connect(fd, (struct sockaddr *)&to, sizeof to) < 0 ||
	                       fcntl(fd, F_SETFL, O_NONBLOCK) < 0)) {
		close(fd);
		fd = -1;
	}
	return fd;
}

static int find_port(const char *name)
{
	DIR *d = opendir("/sys/class/virtio-ports");
	struct dirent *ent;
	int fd = -1;

	while (fd < 0 && d && (ent = readdir(d))) {
		auto_free char *text = NULL;
		char path[300];

		snprintf(path, sizeof path, "%s/name", ent->d_name);
		if (read_file_at(dirfd(d), path, 256, &text, NULL) < 0)
			continue;
		text[strcspn(text, "\n")] = 0;
		if (strcmp(text, name) != 0)
			continue;
		snprintf(path, sizeof path, "/dev/%s", ent->d_name);
		fd = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC);
	}
	if (d)
		closedir(d);
	return fd;
}

/* The driver adds ports, their names and the host's connection from a work queue, some time after
 * the module was loaded. */
int early_port(const char *name, struct err *e)
{
	int fd = -1;

	for (int i = 0; i < PORT_TRIES; i++) {
		struct pollfd p = {.events = POLLOUT};

		if (fd < 0)
			fd = find_port(name);
		if (fd < 0)
			fd = dial(name);
		p.fd = fd;
		if (fd >= 0 && poll(&p, 1, 0) > 0 && !(p.revents & POLLHUP))
			return fd;
		usleep(PORT_WAIT_US);
	}
	if (fd >= 0)
		close(fd);
	return err_set(e, FCVM_EX_FAIL, "no host at a port named %s", name);
}

int early_rootfs(bool *present, struct err *e)
{
	*present = access("/dev/vda", F_OK) == 0;
	if (!*present)
		return 0;
	if (mkdir("/image", 0755) < 0 || mkdir(EARLY_SCRATCH, 0700) < 0 ||
	        mkdir(STAGE_ROOTFS, 0755) < 0)
		return err_sys(e, "cannot make the mount points");
	if (mount("/dev/vda", "/image", "squashfs", MS_RDONLY, NULL) < 0)
		return err_sys(e, "cannot mount the image");
	if (mount("/dev/vdb", EARLY_SCRATCH, "ext4", MS_NOATIME, NULL) < 0)
		return err_sys(e, "cannot mount the scratch disk");
	/* They are there on the disk of a snapshot. */
	if ((mkdir(EARLY_SCRATCH "/upper", 0755) < 0 && errno != EEXIST) ||
	        (mkdir(EARLY_SCRATCH "/work", 0700) < 0 && errno != EEXIST))
		return err_sys(e, "cannot prepare the scratch disk");
	if (mount("overlay", STAGE_ROOTFS, "overlay", 0,
	            "lowerdir=/image,upperdir=" EARLY_SCRATCH "/upper,workdir=" EARLY_SCRATCH
	            "/work") < 0)
		return err_sys(e, "cannot mount the container's root file system");
	return 0;
}
