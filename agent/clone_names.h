/* SPDX-License-Identifier: MIT
 * The host name of a clone: sethostname(2), /etc/hostname and the machine's own line of /etc/hosts.
 * Used in a process that is in the container's namespaces. */
#ifndef FCVM_CLONE_NAMES_H
#define FCVM_CLONE_NAMES_H

#include <stddef.h>

/* Files that are on a tmpfs, as they are unless the user has other ideas, are in memory already. */
struct clone_name_file {
	int fd;
	char *page; /* the file's only one, shared; NULL: it is none of these */
};
struct clone_names {
	struct clone_name_file files[2];
};
#define CLONE_NAMES_NONE                            \
	{                                           \
		.files = { {.fd = -1}, {.fd = -1} } \
	}

/* Looks the files up. */
void clone_names_find(struct clone_names *c);

/* 0, or -1 with errno. The files are the user's to change: one that cannot be written stays. */
int clone_names_change(const struct clone_names *c, const char *name, const char *old);

#endif
