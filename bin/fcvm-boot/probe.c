/* SPDX-License-Identifier: MIT */
#include "probe.h"
#include "arch.h"
#include "cleanup.h"

#include <fcntl.h>
#include <linux/kvm.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

#define LIMIT_MS 250
#define MEMORY   ((size_t)2 << 20)

/* Runs the guest to its halt. Any failure is a sentence in e. */
static int run_guest(int kvm, struct err *e)
{
	struct kvm_userspace_memory_region region = {.memory_size = MEMORY};
	auto_fd int vm = ioctl(kvm, KVM_CREATE_VM, 0), vcpu = -1;
	int size = ioctl(kvm, KVM_GET_VCPU_MMAP_SIZE, 0);
	void *memory =
	        mmap(NULL, MEMORY, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct kvm_run *run;

	if (vm < 0 || size <= 0 || memory == MAP_FAILED)
		return err_sys(e, "/dev/kvm opens but makes no virtual machine");
	region.userspace_addr = (uintptr_t)memory;
	if (ioctl(vm, KVM_SET_USER_MEMORY_REGION, &region) < 0)
		return err_sys(e, "KVM takes no memory");
	vcpu = ioctl(vm, KVM_CREATE_VCPU, 0);
	if (vcpu < 0)
		return err_sys(e, "KVM makes no virtual CPU");
	run = mmap(NULL, (size_t)size, PROT_READ | PROT_WRITE, MAP_SHARED, vcpu, 0);
	if (run == MAP_FAILED)
		return err_sys(e, "KVM's run area cannot be mapped");
	if (arch_probe_enter(vcpu, memory, MEMORY, e) < 0)
		return -1;
	if (ioctl(vcpu, KVM_RUN, 0) < 0)
		return err_sys(e, "KVM does not run the probe");
	if (run->exit_reason != KVM_EXIT_HLT)
		return err_set(e, 1, "KVM ended the probe with exit reason %u", run->exit_reason);
	return 0;
}

static void __attribute__((noreturn)) child(int kvm, int report, pid_t parent)
{
	struct err e = {.text = ""};

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(1);
	if (run_guest(kvm, &e) < 0)
		(void)!write(report, e.text, strlen(e.text));
	_exit(e.text[0] ? 1 : 0);
}

/* A child, because a vCPU that makes no progress can only be ended from outside. */
static bool timed_run(int kvm, char *why, size_t size)
{
	struct timespec t0, t1;
	struct pollfd p = {.events = POLLIN};
	int report[2], ws;
	pid_t pid, parent;
	long ms;
	ssize_t n;

	if (pipe2(report, O_CLOEXEC) < 0)
		return false;
	clock_gettime(CLOCK_MONOTONIC, &t0);
	parent = getpid();
	pid = fork();
	if (pid == 0)
		child(kvm, report[1], parent);
	close(report[1]);
	if (pid < 0) {
		close(report[0]);
		snprintf(why, size, "the probe cannot start: %s", strerror(errno));
		return false;
	}
	p.fd = report[0];
	if (poll(&p, 1, LIMIT_MS) == 0)
		kill(pid, SIGKILL);
	clock_gettime(CLOCK_MONOTONIC, &t1);
	n = read(report[0], why, size - 1);
	close(report[0]);
	while (waitpid(pid, &ws, 0) < 0 && errno == EINTR)
		;
	ms = (t1.tv_sec - t0.tv_sec) * 1000 + (t1.tv_nsec - t0.tv_nsec) / 1000000;
	why[n > 0 ? n : 0] = 0;
	if (n > 0)
		return false;
	if (!WIFEXITED(ws) || WEXITSTATUS(ws)) {
		snprintf(why, size,
		        "/dev/kvm opens, but ten million loop rounds take over %d ms on it",
		        LIMIT_MS);
		return false;
	}
	snprintf(why, size, "KVM ran the probe in %ld ms", ms);
	return true;
}

const char *probe_accelerator(char *why, size_t size)
{
	auto_fd int kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);

	if (kvm < 0) {
		snprintf(why, size, "/dev/kvm: %s", strerror(errno));
		return "tcg";
	}
	return timed_run(kvm, why, size) ? "kvm" : "tcg";
}
