/* SPDX-License-Identifier: MIT
 * A stand-in for Firecracker: the API as strict as the real one or stricter, and a guest that is a
 * small process. What it is asked for is checked as far as a host can check it; what is wrong gets
 * the answer, and the end, that the real one has for it.
 *
 *   FAKEFC_VERSION  what it says it is, and which fields it therefore knows (1.16.1)
 *   FAKEFC_LOG      a file that gets a line for each request: status, method, path, body
 *   FAKEFC_LOG_FD   a descriptor for the same
 *   FAKEFC_FAULT    "KIND METHOD PATH [WORD]": at that request, with the word, it misbehaves:
 *                   refuse, die, half (answer), slow, garbage, hang, close
 *                   "start": ends before it has a socket; "deaf": never has one
 *   FAKEFC_TAP      if set, network devices are attached to; they need not be there else
 *   FAKEFC_GUEST    what the guest does: run (default), exit=N, stay (until it is signalled)
 *                   stay-lost (and does not connect again after a save or a load)
 *                   panic, silent, wait, status=N (of the process), signal */
#ifndef FAKEFC_H
#define FAKEFC_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define HEAD_LINE_MAX 1024
#define BODY_MAX      51200
#define CONNS_MAX     10

enum phase { PREBOOT, RUNNING, PAUSED };

/* What the guest's agent is at; shared with its process, saved and restored. */
enum guest_state { GUEST_BOOTED, GUEST_READY, GUEST_RUNS, GUEST_FROZEN };

struct fake {
	enum phase phase;
	unsigned minor;  /* of the version 1.x that is played */
	bool configured; /* something that forbids a load was set */
	bool over;       /* exit with status 1 after this answer */
	long mem_mib;
	char *args;     /* the kernel's */
	json_t *drives; /* id: body */
	json_t *nets;
	char *vsock; /* path */
	int vsock_fd;
	bool kernel;
	int devices;
	pid_t guest;
	int *guest_state;
	char fault[300];
};

/* One request, whole: the status, and *out gets the answer's body (malloc'd) or NULL. */
int fake_request(struct fake *f, const char *method, const char *path, const char *body, size_t n,
        char **out);

/* fake_fields.c: checks an object against a list of fields "name:type", where type is one of
 * s(tring) i(nteger) b(ool) o(bject) a(rray), "!" after it: required, and "@N": since 1.N. NULL: it
 * is good; else a malloc'd reason. */
char *fake_fields(const json_t *o, const char *list, unsigned minor);
bool fake_id_good(const char *id);

/* fake_snapshot.c */
int fake_create(struct fake *f, const json_t *o, char **why);
int fake_load(struct fake *f, const json_t *o, char **why);
int fake_bind_vsock(struct fake *f, const char *path, char **why);

/* fake_tap.c: attaches to the device of that name, as long as this process lives. 0 or -1. */
int fake_tap(const char *name, char **why);

/* fake_memory.c: the guest's memory: every 64th page has something in it. */
int fake_memory_write(const char *path, long mib, char **why);
int fake_memory_map(const char *path, long mib, char **why);
/* With userfaultfd(2), from the page server at that socket. */
int fake_memory_page(const char *path, long mib, char **why);

/* fake_guest.c: the process that is the guest; it ends with its parent. With a state it goes on
 * from there. SIGUSR1: its connections were reset. */
pid_t fake_guest_start(const char *vsock, int *state);

#endif
