/* SPDX-License-Identifier: MIT
 * What differs from processor to processor on both sides; what the machine is made of besides is in
 * bin/fcvm-boot/arch_*.c. */
#ifndef FCVM_CPU_H
#define FCVM_CPU_H

/* In a loop that waits for memory to change: leaves the core to its other thread, and tells a
 * hypervisor that nothing is done here. */
static inline void cpu_relax(void)
{
#if defined(__x86_64__)
	__builtin_ia32_pause();
#elif defined(__aarch64__)
	__asm__ volatile("yield");
#endif
}

#endif
