/* SPDX-License-Identifier: MIT
 * Registry credentials: never on a command line, where every user of the machine can read them. */
#ifndef CACHE_CREDS_H
#define CACHE_CREDS_H

#include "err.h"

/* Reads "user:password" from the file ("-": stdin) and writes a containers-auth.json(5) for the
 * registry in `name` into dir, mode 0600. Its malloc'd path, or NULL with e filled (which never
 * holds the secret). */
char *creds_authfile(const char *file, const char *name, const char *dir, struct err *e);

#endif
