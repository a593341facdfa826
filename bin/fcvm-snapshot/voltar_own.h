/* SPDX-License-Identifier: MIT
 * Between the files of voltar.h. */
#ifndef FCVM_SNAPSHOT_VOLTAR_OWN_H
#define FCVM_SNAPSHOT_VOLTAR_OWN_H

#include "err.h"

#include <archive.h>
#include <archive_entry.h>
#include <stdbool.h>
#include <sys/types.h>

/* Whether an extended attribute is a volume's; the others are of its host's systems of security. */
bool voltar_has_xattr(const char *name);

/* S_IFMT bits, sockets among them. */
mode_t voltar_type(struct archive_entry *x);

/* Gives a complete file owner, mode, attributes and time: fd, where it is a file or a directory
 * that is open; else (-1) what has the name in dir. 0, or -1 with e filled. */
int voltar_attributes(int dir, const char *name, int fd, struct archive_entry *x, struct err *e);

#endif
