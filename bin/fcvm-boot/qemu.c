/* SPDX-License-Identifier: MIT
 * QEMU's minimal machine. Sockets are made here and passed as descriptors, disks as descriptor
 * sets: nothing of a running machine has a name in the file system. */
#include "arch.h"
#include "cleanup.h"
#include "guest_net.h"
#include "status.h"
#include "strv.h"
#include "vmm.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>

static int check(char *version, size_t size, struct err *e)
{
	char *argv[] = {(char *)(uintptr_t)arch_qemu, (char *)(uintptr_t) "--version", NULL};
	auto_free char *out = NULL;
	const char *p;

	if (proc_output(argv, 65536, &out, e) < 0)
		return -1;
	p = strstr(out, "version ");
	p = p ? p + 8 : out;
	snprintf(version, size, "%.*s", (int)strcspn(p, " \n"), p);
	return 0;
}

static void machine_args(struct strv *a, const struct vmm_config *c)
{
	bool kvm = !strcmp(c->accel, "kvm");
	unsigned long long mib = c->memory >> 20;

	strv_add(a, arch_qemu);
	strv_addl(a, "-M", NULL);
	strv_addf(a, "%s,memory-backend=ram", arch_machine);
	/* tb-size bounds the cache of translated code, which would take a gigabyte by default. */
	strv_addl(a, "-accel", kvm ? "kvm" : "tcg,thread=multi,tb-size=64", NULL);
	strv_addl(a, "-cpu", kvm ? "host" : "max", "-smp", NULL);
	strv_addf(a, "%u", c->cpus);
	strv_add(a, "-m");
	strv_addf(a, "%lluM", mib);
	strv_add(a, "-object");
	strv_addf(a, "memory-backend-memfd,id=ram,share=on,size=%lluM", mib);
	strv_addl(a, "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot", NULL);
	strv_addl(a, "-sandbox",
	        "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny", NULL);
	strv_addl(a, "-name", "fcvm", NULL);
}

static void kernel_args(struct strv *a, const struct vmm_config *c, const struct arch_clock *clock)
{
	char timing[80] = "";

	if (strcmp(c->accel, "kvm") != 0)
		arch_clock_append(clock, timing, sizeof timing);
	strv_addl(a, "-kernel", c->kernel, "-initrd", c->initrd, "-append", NULL);
	strv_addf(a, "%s panic=-1 quiet cryptomgr.notests random.trust_cpu=on %s%s%s", arch_append,
	        timing, c->append && *c->append ? " " : "", c->append ? c->append : "");
}

/* A second descriptor of a writable disk, for reading: QEMU opens a disk read-only until a device
 * that writes is attached to it, and takes the descriptor of the set that has that very mode. */
static int reader_of(int fd)
{
	char path[40];

	snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	return open(path, O_RDONLY | O_CLOEXEC);
}

/* A port that is not there costs the guest its queues all the same, while it boots. The first port
 * is reserved for a console. */
static void port_args(struct strv *a, const struct vmm_config *c, int agent)
{
	strv_add(a, "-chardev");
	strv_addf(a, "socket,id=agent,fd=%d", agent);
	strv_add(a, "-device");
	strv_addf(a, "virtio-serial-device,max_ports=%zu", c->n_ports + 2);
	strv_addl(a, "-device", "virtserialport,chardev=agent,name=fcvm.agent", NULL);
	for (size_t i = 0; i < c->n_ports; i++) {
		strv_add(a, "-chardev");
		strv_addf(a, "socket,id=port%zu,fd=%d", i, c->ports[i].fd);
		strv_add(a, "-device");
		strv_addf(a, "virtserialport,chardev=port%zu,name=%s", i, c->ports[i].name);
	}
}

static void device_args(
        struct strv *a, const struct vmm_config *c, const int *readers, int agent, int console)
{
	for (size_t i = 0; i < c->n_disks; i++) {
		bool w = c->disks[i].writable;

		strv_add(a, "-add-fd");
		strv_addf(a, "fd=%d,set=%zu", c->disks[i].fd, i);
		if (w) {
			strv_add(a, "-add-fd");
			strv_addf(a, "fd=%d,set=%zu", readers[i], i);
		}
		strv_add(a, "-drive");
		/* Nothing of the scratch disk outlives the machine, so nothing of it is ever
		 * synced; a full host disk is the guest's EIO, not a stopped machine. */
		strv_addf(a,
		        "id=disk%zu,file=/dev/fdset/%zu,format=raw,if=none,werror=report,"
		        "rerror=report,%s",
		        i, i, w ? "cache=unsafe,discard=unmap" : "readonly=on,cache=writeback");
		strv_add(a, "-device");
		strv_addf(a, "virtio-blk-device,drive=disk%zu", i);
	}
	if (c->tap >= 0) {
		strv_add(a, "-netdev");
		strv_addf(a, "tap,id=net,fd=%d", c->tap);
		strv_addl(a, "-device", "virtio-net-device,netdev=net,mac=" GUEST_MAC, NULL);
	}
	port_args(a, c, agent);
	strv_addl(a, "-device", "virtio-rng-device", "-chardev", NULL);
	strv_addf(a, "socket,id=console,fd=%d", console);
	strv_addl(a, "-serial", "chardev:console", NULL);
}

/* A socket pair: ours non-blocking, both close-on-exec. */
static int pair(int *ours, int *theirs)
{
	int p[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, p) < 0)
		return -1;
	fcntl(p[0], F_SETFL, O_NONBLOCK);
	*ours = p[0];
	*theirs = p[1];
	return 0;
}

static int start(struct vmm *v, const struct vmm_config *c, struct err *e)
{
	auto_fd int agent = -1, console = -1;
	auto_strv struct strv argv = {0};
	int keep[2 * VMM_DISKS + VMM_PORTS + 3], readers[VMM_DISKS], n = 0;
	struct arch_clock clock;
	struct proc_opts o = {.in = -1, .out = -1, .keep = keep, .new_session = true};

	arch_clock_start(&clock);
	*v = (struct vmm){
	        .ops = &vmm_qemu, .agent = -1, .listen = -1, .console = -1, .proc.pidfd = -1};
	v->log = memfd_create("qemu.log", MFD_CLOEXEC);
	if (v->log < 0 || pair(&v->agent, &agent) < 0 || pair(&v->console, &console) < 0) {
		err_sys(e, "cannot make the machine's sockets");
		vmm_close(v);
		return -1;
	}
	machine_args(&argv, c);
	for (size_t i = 0; i < c->n_disks; i++) {
		readers[i] = c->disks[i].writable ? reader_of(c->disks[i].fd) : -1;
		keep[n++] = c->disks[i].fd;
		if (readers[i] >= 0)
			keep[n++] = readers[i];
	}
	device_args(&argv, c, readers, agent, console);
	kernel_args(&argv, c, &clock);
	for (size_t i = 0; i < c->n_ports; i++)
		keep[n++] = c->ports[i].fd;
	keep[n++] = agent;
	keep[n++] = console;
	if (c->tap >= 0)
		keep[n++] = c->tap;
	o.n_keep = n;
	o.err = v->log;
	n = proc_start(&v->proc, argv.v, &o, e);
	for (size_t i = 0; i < c->n_disks; i++)
		if (readers[i] >= 0)
			close(readers[i]);
	if (n < 0)
		vmm_close(v);
	return n;
}

static void kill_now(struct vmm *v)
{
	proc_kill(&v->proc, SIGKILL);
}

const struct vmm_ops vmm_qemu = {.name = "qemu", .check = check, .start = start, .kill = kill_now};
