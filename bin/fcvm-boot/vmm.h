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
	const char *pager; /* with a state: the socket of a server that fills the memory from
	                    * memory_file, as fcvm-mem(1) does; NULL: the file is mapped */
	bool jailed;       /* the monitor shall reach nothing of the host but what it needs */
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
	bool reset; /* save() has ended the guest's streams: the agent's next one will come at
	             * `listen`, and `agent` is to be closed */
	void *own;  /* the back end's */
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
	bool ends_ports;   /* save() ends the streams of config.ports for good */
	bool pages, jails; /* it knows what config.pager, config.jailed ask for */
	/* Stops the guest, writes the state of everything but memory and disks to the file `state`,
	 * and makes `memory` its memory: that is empty, or a copy of v->memory where that is
	 * private, or config.memory_file itself. The guest stays stopped, its disks as they belong
	 * to the state, until go_on(), which is for a failure as well. */
	int (*save)(struct vmm *v, int state, int memory, struct err *e);
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

/* The monitor of this name, or NULL with e filled. "" or NULL: that of FCVM_HYPERVISOR,
 * else the default for this accelerator. */
const struct vmm_ops *vmm_find(const char *name, const char *accel, struct err *e);

/* Whether it can have a machine like this one: 0, or -1 with e filled. */
int vmm_can(const struct vmm_ops *ops, const struct vmm_config *c, struct err *e);

/* A program as PATH has it, with all links followed: malloc'd, or NULL. */
char *vmm_program(const char *name);
/* What tells the file of this program from every other one: malloc'd, or NULL with e filled. Faster
 * by far than to ask the program. */
char *vmm_program_identity(const char *name, struct err *e);

/* While the guest is stopped: makes the file `to` its memory, where v->memory is known. It must be
 * empty, or a copy of v->memory where that is private, or v->memory itself. Takes time for what the
 * guest has changed only. */
int vmm_copy_memory(const struct vmm *v, int to, struct err *e);

/* Makes holes of the pages of zeros in such a file. */
int vmm_dig_holes(int fd, struct err *e);

/* Releases what vmm_start() gave, after the process has been reaped. */
void vmm_close(struct vmm *v);

/* Ends a machine that nobody has told anything yet. */
void vmm_end(struct vmm *v);

#endif
