/* SPDX-License-Identifier: MIT
 * The process that serves one volume. It is started confined and waits for sessions on a control
 * socket; it dies with who started it. */
#ifndef FCVM_VOL_SERVER_H
#define FCVM_VOL_SERVER_H

#include "err.h"
#include "vol_spec.h"

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

/* Returns when it is ready. title: memory of the argument vector to show a short title in. */
int vol_server_start(const struct vol_spec *v, char *title, size_t title_size,
        struct vol_server *out, struct err *e);
/* Takes wire over. 0 or -errno. */
int vol_server_session(const struct vol_server *server, int wire);

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
