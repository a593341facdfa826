/* SPDX-License-Identifier: MIT
 * What depends on the processor architecture, in one place: arch_<machine>.c. */
#ifndef FCVM_ARCH_H
#define FCVM_ARCH_H

#include "err.h"

#include <stddef.h>
#include <stdint.h>

/* QEMU's program for this architecture and its minimal machine. */
extern const char arch_qemu[];
extern const char arch_machine[];
/* A processor for QEMU to emulate, and kernel arguments for a boot with one of several. */
extern const char arch_emulated[];
extern const char arch_alone[];
/* Kernel arguments that the console and the restart need here. */
extern const char arch_append[];

/* Takes a first reading of the time stamp counter; arch_clock_append() needs 5 ms between. */
struct arch_clock {
	uint64_t ticks;
	int64_t ns;
};
void arch_clock_start(struct arch_clock *c);
/* Kernel arguments that spare an emulated guest the calibration of its clock (which fails one
 * time in three under TCG), and, where the frequency of its ticks is known (hz; else 0), that of
 * each processor's delays. Waits for the rest of the 5 ms if need be. */
void arch_clock_append(const struct arch_clock *c, uint64_t hz, char *out, size_t size);

/* Puts the probe's little guest, a loop of ten million rounds and then a halt, into its memory (at
 * guest address 0) and points the virtual CPU at it. */
int arch_probe_enter(int vcpu, void *memory, size_t size, struct err *e);

#endif
