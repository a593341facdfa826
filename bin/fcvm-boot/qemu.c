/* SPDX-License-Identifier: MIT
 * QEMU's minimal machine. Sockets are made here and passed as descriptors, disks as descriptor
 * sets: nothing of a running machine has a name in the file system. */
#include "arch.h"
#include "cleanup.h"
#include "guest_net.h"
#include "qemu_memory.h"
#include "qemu_state.h"
#include "status.h"
#include "strv.h"
#include "trace.h"
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

static void memory_args(struct strv *a, const struct vmm_config *c, const char *memory)
{
	unsigned long long mib = c->memory >> 20;

	strv_add(a, "-object");
	strv_addf(a, "memory-backend-file,id=ram,mem-path=%s,share=%s,size=%lluM", memory,
	        c->state < 0 ? "on" : "off", mib);
}

static void machine_args(struct strv *a, const struct vmm_config *c, const char *memory)
{
	bool kvm = !strcmp(c->accel, "kvm");

	strv_add(a, arch_qemu);
	strv_addl(a, "-M", NULL);
	strv_addf(a, "%s,memory-backend=ram", arch_machine);
	/* tb-size bounds the cache of translated code, which would take a gigabyte by default. */
	strv_addl(a, "-accel", kvm ? "kvm" : "tcg,thread=multi,tb-size=64", NULL);
	strv_addl(a, "-cpu", kvm ? "host" : arch_emulated, "-smp", NULL);
	strv_addf(a, "%u", c->cpus);
	strv_add(a, "-m");
	strv_addf(a, "%lluM", (unsigned long long)c->memory >> 20);
	memory_args(a, c, memory);
	strv_addl(a, "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot", NULL);
	strv_addl(a, "-sandbox",
	        "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny", NULL);
	strv_addl(a, "-name", "fcvm", NULL);
}

/* The word fcvm.hz=N of a kernel profile: its CONFIG_HZ. 0: not known. */
static uint64_t ticks_of(const char *append)
{
	static const char word[] = "fcvm.hz=";
	const char *at = append ? strstr(append, word) : NULL;

	return at ? strtoul(at + strlen(word), NULL, 10) : 0;
}

/* An emulated guest begins with one processor, and its agent starts the others. As it boots the
 * kernel patches its own code; and QEMU before 8.1 may keep what it has translated of the
 * breakpoint that is there for a moment when another processor meets that, which then traps for
 * ever. */
static void kernel_args(struct strv *a, const struct vmm_config *c, const struct arch_clock *clock)
{
	char own[120] = "";

	if (c->state >= 0) /* the kernel is in the memory file */
		return;
	if (strcmp(c->accel, "kvm") != 0) {
		arch_clock_append(clock, ticks_of(c->append), own, sizeof own);
		snprintf(own + strlen(own), sizeof own - strlen(own), " %s", arch_alone);
	}
	strv_addl(a, "-kernel", c->kernel, "-initrd", c->initrd, "-append", NULL);
	strv_addf(a,
	        "%s panic=-1 quiet cryptomgr.notests random.trust_cpu=on lsm=landlock,yama %s%s%s",
	        arch_append, own, c->append && *c->append ? " " : "", c->append ? c->append : "");
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
		 * synced; a full host disk is the guest's EIO, not a stopped machine. Locks would
		 * be of no use, and after a restore QEMU finds its own in its way. */
		strv_addf(a,
		        "id=disk%zu,file=/dev/fdset/"
		        "%zu,file.locking=off,format=raw,if=none,werror=report,"
		        "rerror=report,%s",
		        i, i, w ? "cache=unsafe,discard=unmap" : "readonly=on,cache=writeback");
		strv_add(a, "-device");
		strv_addf(a, "virtio-blk-device,drive=disk%zu", i);
	}
	if (c->tap >= 0) {
		strv_add(a, "-netdev");
		strv_addf(a, "tap,id=net,fd=%d", c->tap);
		/* Up from the start: of a link that goes down and up the kernel tells only later.
		 */
		strv_addl(a, "-device", "virtio-net-device,status=off,netdev=net,mac=" GUEST_MAC,
		        NULL);
	}
	port_args(a, c, agent);
	/* The balloon is never blown up: it is how a guest tells of pages that it does not use. */
	strv_addl(a, "-device", "virtio-rng-device", "-device",
	        "virtio-balloon-device,free-page-reporting=on", "-chardev", NULL);
	strv_addf(a, "socket,id=console,fd=%d", console);
	strv_addl(a, "-serial", "chardev:console", NULL);
}

static void monitor_args(struct strv *a, const struct vmm_config *c, int monitor)
{
	strv_add(a, "-chardev");
	strv_addf(a, "socket,id=monitor,fd=%d", monitor);
	/* What was saved was stopped for it; what is restored is to run. What is saved has devices
	 * only, and says nothing of the machine before them. */
	strv_addl(a, "-mon", "chardev=monitor,mode=control", "-global",
	        "migration.store-global-state=off", "-global", "migration.send-configuration=off",
	        NULL);
	if (c->state >= 0)
		strv_addl(a, "-incoming", "defer", NULL);
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

/* The descriptors that QEMU inherits. */
struct inherited {
	int fds[2 * VMM_DISKS + VMM_PORTS + 8];
	int n;
	int readers[VMM_DISKS];
	int agent, console, monitor; /* its ends, to be closed here */
};

static void inherit(struct inherited *in, int fd)
{
	if (fd >= 0)
		in->fds[in->n++] = fd;
}

/* The file that the guest's memory is or, with a state, begins as. */
static int open_memory(struct vmm *v, const struct vmm_config *c)
{
	v->memory_size = c->memory & ~(uint64_t)0xfffff;
	v->memory_private = c->state >= 0;
	if (c->memory_file >= 0) {
		v->memory = fcntl(c->memory_file, F_DUPFD_CLOEXEC, 3);
		return v->memory < 0 ? -1 : 0;
	}
	v->memory = memfd_create("guest", MFD_CLOEXEC);
	return v->memory < 0 ? -1 : ftruncate(v->memory, (off_t)v->memory_size);
}

static int open_all(struct vmm *v, const struct vmm_config *c, struct inherited *in, struct err *e)
{
	*in = (struct inherited){.agent = -1, .console = -1, .monitor = -1};
	for (size_t i = 0; i < VMM_DISKS; i++)
		in->readers[i] = -1;
	v->log = memfd_create("qemu.log", MFD_CLOEXEC);
	if (v->log < 0 || pair(&v->agent, &in->agent) < 0 || pair(&v->console, &in->console) < 0 ||
	        pair(&v->monitor, &in->monitor) < 0)
		return err_sys(e, "cannot make the machine's sockets");
	if (open_memory(v, c) < 0)
		return err_sys(e, "cannot make the machine's memory");
	for (size_t i = 0; i < c->n_disks; i++) {
		if (c->disks[i].writable)
			in->readers[i] = reader_of(c->disks[i].fd);
		inherit(in, c->disks[i].fd);
		inherit(in, in->readers[i]);
	}
	inherit(in, in->agent);
	inherit(in, in->console);
	inherit(in, in->monitor);
	for (size_t i = 0; i < c->n_ports; i++)
		inherit(in, c->ports[i].fd);
	inherit(in, c->tap);
	inherit(in, v->memory);
	inherit(in, c->state);
	return 0;
}

static void close_ours(const struct inherited *in)
{
	const int fds[] = {in->agent, in->console, in->monitor};

	for (size_t i = 0; i < sizeof fds / sizeof *fds; i++)
		if (fds[i] >= 0)
			close(fds[i]);
	for (size_t i = 0; i < VMM_DISKS; i++)
		if (in->readers[i] >= 0)
			close(in->readers[i]);
}

static const char taken[] = "a runtime answers system calls of this container already "
                            "(seccomp_unotify(2)), and there can be one that does: a VM can be "
                            "booted here, but not restored";

/* The process; who restores must not write to the file that its memory began as. */
static int start_qemu(struct vmm *v, char *const *argv, const char *memory,
        const struct proc_opts *plain, struct err *e)
{
	struct proc_opts o = *plain;
	struct qemu_memory g;
	int r;

	if (!v->memory_private)
		return proc_start(&v->proc, argv, plain, e);
	r = qemu_memory_begin(&g, v->memory, memory, e);
	o.prepare = qemu_memory_prepare;
	o.ctx = &g;
	if (r == 0) {
		r = proc_start(&v->proc, argv, &o, e);
		if (r < 0 && errno == EBUSY)
			err_set(e, FCVM_EX_FAIL, "cannot guard the machine's memory: %s", taken);
	}
	if (r == 0 && qemu_memory_guard(&g, v->proc.pid, e) < 0) {
		proc_kill(&v->proc, SIGKILL);
		proc_wait(&v->proc);
		r = -1;
	}
	qemu_memory_end(&g);
	return r;
}

static int start(struct vmm *v, const struct vmm_config *c, struct err *e)
{
	auto_strv struct strv argv = {0};
	char memory[QEMU_MEMORY_PATH];
	struct arch_clock clock;
	struct inherited in;
	struct proc_opts o = {.in = -1, .out = -1, .keep = in.fds, .new_session = true};
	int r;

	arch_clock_start(&clock);
	*v = vmm_none(&vmm_qemu);
	r = open_all(v, c, &in, e);
	if (r == 0) {
		snprintf(memory, sizeof memory, "/proc/self/fd/%d", v->memory);
		machine_args(&argv, c, memory);
		device_args(&argv, c, in.readers, in.agent, in.console);
		monitor_args(&argv, c, in.monitor);
		kernel_args(&argv, c, &clock);
		o.n_keep = in.n;
		o.err = v->log;
		r = start_qemu(v, argv.v, memory, &o, e);
		trace("monitor: started");
	}
	close_ours(&in);
	if (r == 0 && c->state >= 0)
		r = qemu_load(v, c->state, e);
	if (r < 0)
		vmm_close(v);
	return r;
}

static void kill_now(struct vmm *v)
{
	proc_kill(&v->proc, SIGKILL);
}

const struct vmm_ops vmm_qemu = {.name = "qemu",
        .check = check,
        .identity = qemu_identity,
        .start = start,
        .save = qemu_save,
        .go_on = qemu_go_on,
        .stop = qemu_stop,
        .kill = kill_now};
