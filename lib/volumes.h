/* SPDX-License-Identifier: MIT
 * Named volumes: DATA/volumes/NAME/ with the files in _data, what is known of the volume in
 * volume.json, and a lock that whoever uses the volume shares. Directories come and go under the
 * lock DATA/volumes/.lock alone. An anonymous volume has a random name, and goes with its VM if it
 * is temporary.
 *
 * Functions return 0, or -1 with e filled. */
#ifndef FCVM_VOLUMES_H
#define FCVM_VOLUMES_H

#include "err.h"
#include "strv.h"

#include <jansson.h>
#include <stdbool.h>

struct volume_use {
	char *path; /* of the files; the caller frees */
	char *name; /* the caller frees */
	int lock;   /* in use as long as a copy of it is open; close-on-exec */
	bool empty; /* nothing is in it yet */
};

/* Takes the volume into use, and makes it if it is missing. name "": a new anonymous one. */
int volumes_use(const char *name, bool temporary, struct volume_use *u, struct err *e);
/* Whether there is a volume of that name. */
bool volumes_exists(const char *name);
/* Starts a process that removes the volume when nobody uses it any longer. */
int volumes_janitor(const struct volume_use *u, struct err *e);

/* labels: NAME=VALUE. Status FCVM_EX_BUSY if there is one of that name. */
int volumes_create(const char *name, const struct strv *labels, struct err *e);
/* Status FCVM_EX_NOTFOUND or FCVM_EX_BUSY. */
int volumes_remove(const char *name, struct err *e);

/* All volumes as objects with the names that podman gives the members (Name, Mountpoint, Driver,
 * CreatedAt, Labels, Options, Scope, Anonymous, InUse), by name. Removes temporary ones that were
 * left behind. NULL with e filled. */
json_t *volumes_list(struct err *e);

#endif
