/* SPDX-License-Identifier: MIT
 * What fcvm-boot asks of a virtual machine monitor. Every VMM gives the same: a process, a stream
 * to the guest agent and a stream of console output; nothing above this interface knows which
 * monitor runs. */
#ifndef FCVM_VMM_H
#define FCVM_VMM_H

#include "err.h"
#include "proc.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define VMM_DISKS 4
#define VMM_PORTS 32

struct vmm_disk {
	int fd; /* O_RDONLY or O_RDWR to match `writable`; borrowed until vmm_start() returns */
	bool writable;
};

/* A byte stream to the guest, beside the agent's. */
struct vmm_port {
	char name[32]; /* as the guest sees it */
	int fd;        /* stream socket; borrowed until vmm_start() returns */
};

struct vmm_config {
	const char *kernel; /* ELF vmlinux */
	const char *initrd;
	const char *append; /* more words for the kernel command line, or NULL */
	const char *accel;  /* "kvm" or "tcg" */
	unsigned cpus;
	uint64_t memory; /* bytes */
	struct vmm_disk disks[VMM_DISKS];
	size_t n_disks;
	const struct vmm_port *ports;
	size_t n_ports;
	uint64_t scratch_size; /* bytes of the second one */
	int tap; /* the network's, with virtio-net headers; -1: none; borrowed likewise */
	/* Files for save and restore, borrowed likewise; -1: none. */
	int memory_file; /* of `memory` bytes: the guest's memory, written through to it */
	int state;       /* what save() wrote, to begin from instead of booting: memory_file is then
	                  * only read, and what the guest changes is this machine's own */
	int dir;         /* where a monitor may have files while the machine lives; -1: nowhere in
	                    particular */
};

struct vmm {
	const struct vmm_ops *ops;
	struct proc proc;
	int agent;   /* stream socket to the agent's port, non-blocking; -1: not connected yet */
	int listen;  /* socket on which that stream will arrive (a guest that dials out); else -1 */
	int console; /* stream socket with the guest's console output, non-blocking */
	int monitor; /* socket to control the monitor by, whose unasked-for words are to be drained;
	              * -1: none */
	int log;     /* memory file: what the monitor said on stderr */
	int memory;  /* the file that the guest's memory is; -1: none is known */
	uint64_t memory_size; /* bytes */
	bool memory_private;  /* the file is only where its memory began: what the guest has
	                       * changed since is in the monitor's process */
	bool monitor_ready;   /* it takes commands */
	void *own;            /* the back end's */
};

/* Before anything of it is open. */
static inline struct vmm vmm_none(const struct vmm_ops *ops)
{
	return (struct vmm){.ops = ops,
	        .agent = -1,
	        .listen = -1,
	        .console = -1,
	        .monitor = -1,
	        .log = -1,
	        .memory = -1,
	        .proc.pidfd = -1};
}

struct vmm_ops {
	const char *name;
	/* Whether it can run here: 0 and its version in `version`, or -1 with e filled. */
	int (*check)(char *version, size_t size, struct err *e);
	/* What tells this monitor from every other one that could not restore what it saved: its
	 * program and release. Malloc'd, or NULL with e filled. */
	char *(*identity)(struct err *e);
	/* Starts the machine; with a state, returns when the guest goes on from there. All
	 * descriptors in *v become the caller's: vmm_close(). */
	int (*start)(struct vmm *v, const struct vmm_config *c, struct err *e);
	/* Stops the guest and writes the state of everything but memory and disks to the file. The
	 * guest stays stopped, its disks and memory as they belong to the state, until go_on(). */
	int (*save)(struct vmm *v, int state, struct err *e);
	int (*go_on)(struct vmm *v, struct err *e);
	/* Stops the guest, until go_on(). */
	int (*stop)(struct vmm *v, struct err *e);
	/* Ends the machine at once, without the guest's help. */
	void (*kill)(struct vmm *v);
	/* What the exit status of the monitor means, or NULL. May be absent, as close. */
	const char *(*explain)(int status);
	/* Releases what own points to, not itself. */
	void (*close)(struct vmm *v);
};

extern const struct vmm_ops vmm_qemu, vmm_firecracker;

/* The monitor of this name, or NULL with e filled. "" or NULL: the default for this accelerator. */
const struct vmm_ops *vmm_find(const char *name, const char *accel, struct err *e);

/* While the guest is stopped: makes the file `to` its memory. It must be empty, or a copy of
 * v->memory where that is private. Takes time for what the guest has changed only. */
int vmm_copy_memory(const struct vmm *v, int to, struct err *e);

/* Releases what vmm_start() gave, after the process has been reaped. */
void vmm_close(struct vmm *v);

#endif
