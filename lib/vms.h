/* SPDX-License-Identifier: MIT
 * The VMs that run, as their directories tell: which there are, what their supervisors last said of
 * them (BASE/NAME/state.json), and which of them a command line means; also those of which only a
 * record is left (ended.h). Only files are read, so a VM that hangs holds nobody up.
 *
 * Functions return 0, or -1 with e filled. */
#ifndef FCVM_VMS_H
#define FCVM_VMS_H

#include "err.h"
#include "strv.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#define VMS_STATE "state.json"

struct vm {
	char *name;
	char *dir;     /* absolute path of the run directory, or of the record */
	bool ended;    /* dir is a record */
	pid_t pid;     /* that reserved the name, from the lock; 0: unknown */
	json_t *state; /* every member of the state is there and has its type: see vms_load() */
};

struct vms {
	struct vm *v;
	size_t n;
};
#define auto_vms __attribute__((cleanup(vms_free)))

/* Who is meant. Words, names and processes add up; all and latest go with nothing else. */
struct vms_selector {
	char **words; /* n_words of them: names, or the beginnings of names */
	size_t n_words;
	struct strv names; /* --name: exact */
	struct strv pids;  /* --pid: of the supervisor, its VMM or the process in the foreground */
	bool all;          /* may be none */
	bool latest;
	bool missing_ok;  /* whoever is meant and is not there is passed over */
	const char *data; /* where records are, to choose from those as well; NULL: not */
};

/* All VMs, the newest first; with data (may be NULL) the ended ones as well, unless one of that
 * name runs again. What a state lacks is filled in: "state" is "starting", "created" the time of
 * the reservation, "pid" the lock's, and everything else empty; so is a state that is not there yet
 * or is malformed. */
int vms_load(const char *base, const char *data, struct vms *out, struct err *e);
void vms_free(struct vms *vms);

/* The VMs that are meant, in the order in which they were named and each once; the newest first
 * with all. A word is a name, or else the beginning of exactly one. Status FCVM_EX_NOTFOUND: there
 * is no such VM, or more than one; FCVM_EX_USAGE: nobody is meant, or options contradict. */
int vms_resolve(const char *base, const struct vms_selector *s, struct vms *out, struct err *e);

/* The same for a command that takes one VM: more than one is FCVM_EX_USAGE. */
int vms_resolve_one(const char *base, const struct vms_selector *s, struct vms *out, struct err *e);

/* A member of the state that is a string or a number. */
const char *vm_text(const struct vm *vm, const char *key);
json_int_t vm_number(const struct vm *vm, const char *key);

/* Waits until a VM that has ended has left its name: with its lock file, opened while it was there,
 * or -1. */
int vm_open_lock(const struct vm *vm);
void vm_wait_gone(int lock);
/* Whether no process of the VM with that run directory is left. Such a directory is being removed,
 * file by file, which must not look like a start. */
bool vm_has_ended(int dir_fd);

#endif
