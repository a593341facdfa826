/* SPDX-License-Identifier: MIT */
#if defined(__x86_64__)
#include "arch.h"
#include "status.h"

#include <linux/kvm.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <x86intrin.h>

const char arch_qemu[] = "qemu-system-x86_64";
/* Without the description of its own format, which a state of devices alone has not either: QEMU
 * would complain. */
const char arch_machine[] = "microvm,rtc=on,suppress-vmdesc=on";
/* Not ERMS: an emulated guest that clears and copies memory by bytes, because a processor is said
 * to be fast at it, takes eight times as long as by words. */
const char arch_emulated[] = "max,erms=off,fsrm=off";
/* Nor is code made that of one processor, and then of several again. */
const char arch_alone[] = "maxcpus=1 noreplace-smp";
const char arch_append[] = "console=ttyS0 reboot=t";

#define CALIBRATE_NS 5000000

static int64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC_RAW, &ts);
	return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

void arch_clock_start(struct arch_clock *c)
{
	c->ns = now_ns();
	c->ticks = __rdtsc();
}

void arch_clock_append(const struct arch_clock *c, uint64_t hz, char *out, size_t size)
{
	uint64_t ticks, khz;
	int64_t ns;
	int n;

	do {
		ns = now_ns() - c->ns;
		ticks = __rdtsc() - c->ticks;
	} while (ns < CALIBRATE_NS);
	khz = (uint64_t)((double)ticks * 1e6 / (double)ns + 0.5);
	n = snprintf(out, size, "tsc_early_khz=%llu tsc=reliable", (unsigned long long)khz);
	if (hz) /* a delay is so many ticks of the counter */
		snprintf(out + n, size - (size_t)n, " lpj=%llu",
		        (unsigned long long)(khz * 1000 / hz));
}

/* mov $10000000,%ecx; 1: dec %ecx; jnz 1b; hlt */
static const unsigned char loop_code[] = {
        0xb9, 0x80, 0x96, 0x98, 0x00, 0xff, 0xc9, 0x75, 0xfc, 0xf4};

/* Flat 64-bit mode with one 2 MiB page: page tables at 0x1000-0x3fff, code at 0x4000. The bits are
 * those of the processor manual, volume 3, chapters 2 to 4. */
int arch_probe_enter(int vcpu, void *memory, size_t size, struct err *e)
{
	uint64_t *pml4 = (uint64_t *)((char *)memory + 0x1000);
	uint64_t *pdpt = (uint64_t *)((char *)memory + 0x2000);
	uint64_t *pd = (uint64_t *)((char *)memory + 0x3000);
	struct kvm_segment code = {.limit = 0xffffffff,
	        .selector = 8,
	        .type = 11,
	        .present = 1,
	        .s = 1,
	        .l = 1,
	        .g = 1};
	struct kvm_segment data = {.limit = 0xffffffff,
	        .selector = 16,
	        .type = 3,
	        .present = 1,
	        .s = 1,
	        .db = 1,
	        .g = 1};
	struct kvm_regs regs = {.rip = 0x4000, .rsp = 0x8000, .rflags = 2};
	struct kvm_sregs sregs;

	if (size < 0x10000)
		return err_set(e, FCVM_EX_SYS, "the probe's memory is too small");
	*pml4 = 0x2003;
	*pdpt = 0x3003;
	*pd = 0x83;
	memcpy((char *)memory + 0x4000, loop_code, sizeof loop_code);
	if (ioctl(vcpu, KVM_GET_SREGS, &sregs) < 0)
		return err_sys(e, "KVM_GET_SREGS");
	sregs.cr3 = 0x1000;
	sregs.cr4 = 0x20;
	sregs.cr0 = 0x80050033;
	sregs.efer = 0x500;
	sregs.cs = code;
	sregs.ds = sregs.es = sregs.fs = sregs.gs = sregs.ss = data;
	if (ioctl(vcpu, KVM_SET_SREGS, &sregs) < 0 || ioctl(vcpu, KVM_SET_REGS, &regs) < 0)
		return err_sys(e, "cannot set the probe's registers");
	return 0;
}

#endif
