/* SPDX-License-Identifier: MIT
 * The process that serves one volume. It is started confined and waits for sessions on a control
 * socket; it dies with who started it. */
#ifndef FCVM_VOL_SERVER_H
#define FCVM_VOL_SERVER_H

#include "err.h"
#include "vol_spec.h"

#include <stdint.h>

struct vol_server {
	pid_t pid;
	int pidfd;
	int control; /* fds_send() of a connected stream socket begins a session, and ends the last
	              */
};
#define VOL_SERVER_NONE                    \
	{                                  \
		.pidfd = -1, .control = -1 \
	}

/* A session of another machine's, from which this server's first one goes on. */
struct vol_saved {
	int fd;
	off_t at; /* where in the file, and how many bytes */
	size_t size;
	bool copied; /* the volume is a copy of that machine's */
	int copy;    /* then the directory that vol_server_copy() filled; else -1 */
};
#define VOL_LOST_MAX 400 /* bytes of text that says what could not be had again */

/* Returns when it is ready. title: memory of the argument vector to show a short title in. */
int vol_server_start(const struct vol_spec *v, char *title, size_t title_size,
        struct vol_server *out, struct err *e);
/* The same from a saved session; lost: "" if all of it was found. */
int vol_server_start_saved(const struct vol_spec *v, const struct vol_saved *saved, char *title,
        size_t title_size, struct vol_server *out, char lost[VOL_LOST_MAX], struct err *e);
/* Takes wire over. 0 or -errno. */
int vol_server_session(const struct vol_server *server, int wire);
/* Writes the session, which is at rest, to fd from `at` on; fd stays the caller's. The number of
 * bytes, or -errno. */
int64_t vol_server_save(const struct vol_server *server, int fd, off_t at);

/* Goes on from a saved session once there is a wire, and ends the one that is there; what is staged
 * becomes the volume's files first. The descriptors stay the caller's. How much of it could not be
 * had again, or -errno. */
int64_t vol_server_load(const struct vol_server *server, const struct vol_saved *saved);

/* Copies the volume's files into an empty directory, for as long as the session is at rest; dir
 * stays the caller's. 0 or -errno. */
int64_t vol_server_copy(const struct vol_server *server, int dir);

/* Makes what vol_server_copy() put into the directory ready to be the volume's files, in place of
 * those it has; or forgets it. Its machine stands still. 0 or -errno. */
int64_t vol_server_stage(const struct vol_server *server, int dir);
int64_t vol_server_unstage(const struct vol_server *server, int dir);

/* --- vol_copy.c: in the server --------------------------------------------------------------- */

/* root: O_PATH. 0 or -errno. */
int vol_copy_out(int root, int dir);
int vol_copy_in(int dir, int root);

/* --- vol_stage.c: in the server; name: of what is staged, "" if nothing is ---------------------
 */

#define VOL_STAGED 40

/* 0 or -errno, and nothing is staged then. */
int stage_copy(int dir, int root, char name[VOL_STAGED]);
void stage_drop(int root, char name[VOL_STAGED]);
/* The volume's files are the staged ones, or -errno and they are what they were; nothing is staged
 * any more. */
int stage_exchange(int root, char name[VOL_STAGED]);

/* --- vol_confine.c: in the server, in this order --------------------------------------------- */

/* Makes the namespaces and returns an O_PATH descriptor of the volume's root, which is all of the
 * file system that is left; the current directory is /proc/self/fd. */
int confine_namespaces(const struct vol_spec *v, struct err *e);
/* Keeps the capabilities that serving files takes, and the system calls. */
int confine_rights(bool readonly, struct err *e);

/* --- vol_ids.c ------------------------------------------------------------------------------- */

/* Whether the server needs a user namespace. */
bool ids_needed(const struct vol_spec *v);
/* In who starts it: maps the ids of a process that has just made its user namespace. */
int ids_map(const struct vol_spec *v, pid_t pid, struct err *e);

#endif
