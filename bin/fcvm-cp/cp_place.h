/* SPDX-License-Identifier: MIT
 * The two ends of a copy: what is there, and what that means for the names. */
#ifndef CTL_CP_PLACE_H
#define CTL_CP_PLACE_H

#include "err.h"
#include "vms.h"

#include <stdbool.h>

struct place {
	const struct vm *vm; /* NULL: the host */
	char *path;          /* as given, but absolute in a VM and without a last "/." */
	bool stream;         /* an archive on stdin or stdout */
	bool contents;       /* of a directory, without its own name */
	bool exists, is_dir;
	char *dir;  /* without symbolic links: the directory itself, or what it is in */
	char *name; /* in dir; of a directory: its own name */
};

/* What the word of the command line says of itself: [VM]:PATH, PATH or "-". *vm_name is NULL for
 * the host, else the caller's to free. */
void place_parse(const char *word, struct place *p, char **vm_name);
void place_free(struct place *p);

/* Looks at a source that must be there, or at a destination whose directory must. For that the
 * source is known: with overwrite, a VM's destination of another type is removed. 0, or -1 with e
 * filled. */
int place_source(struct place *p, struct err *e);
int place_destination(struct place *p, const struct place *source, bool overwrite, struct err *e);

#endif
