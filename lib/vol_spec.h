/* SPDX-License-Identifier: MIT
 * One volume as the command line says it: [SOURCE:]DIR[:OPTIONS]. */
#ifndef FCVM_VOL_SPEC_H
#define FCVM_VOL_SPEC_H

#include "err.h"
#include "idmap.h"
#include "strv.h"

#include <jansson.h>
#include <stdbool.h>
#include <sys/types.h>

#define VOL_MAX 32 /* of one VM */

enum vs_cache { VS_CACHE_AUTO, VS_CACHE_NONE, VS_CACHE_ALWAYS }; /* what the guest may keep */

struct vol_spec {
	char *source; /* an absolute host path, once vol_spec_check() has passed */
	char *target; /* clean and absolute; NULL with `fcvm-vol mount` */
	char *name;   /* of a named volume, "" for an anonymous one, NULL for a host path */
	char *words;  /* its options as they were given, or NULL */
	bool anonymous;
	bool readonly, file, copy_up, explicit_maps;
	enum vs_cache cache;
	struct strv options; /* for the guest's mount */
	struct idmap maps;
	dev_t dev; /* of source, so that it is not swapped for another */
	ino_t ino;
};

/* 0, or -1 with e filled (status FCVM_EX_USAGE). The caller ends with vol_spec_free(), in either
 * case. */
int vol_spec_parse(struct vol_spec *v, const char *text, struct err *e);
/* One that was made before, with what was found of it then. */
int vol_spec_make(struct vol_spec *v, const char *source, const char *name, const char *target,
        const char *words, struct err *e);
/* The words after the second colon, or of `fcvm-vol mount -o`. */
int vol_spec_options(struct vol_spec *v, const char *text, struct err *e);
/* Whether the source is there and can be served; fills file, dev and ino. */
int vol_spec_check(struct vol_spec *v, struct err *e);
/* What is known of it, as volumes.json and snapshots have it. A new reference. */
json_t *vol_spec_json(const struct vol_spec *v);
void vol_spec_free(struct vol_spec *v);

/* Sorts parents first and refuses two volumes at one place. */
int vol_specs_sort(struct vol_spec *v, size_t n, struct err *e);

#endif
