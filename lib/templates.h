/* SPDX-License-Identifier: MIT
 * The store of templates in the data directory: machines that were saved when they were ready for a
 * container. One directory a template, named by the hash of everything that shaped the machine. It
 * appears complete or not at all; what is no longer as it was written does not count as there. */
#ifndef FCVM_TEMPLATES_H
#define FCVM_TEMPLATES_H

#include "err.h"
#include "sha256.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#define TEMPLATES_LIMIT ((uint64_t)10 << 30) /* bytes on disk, unless FCVM_TEMPLATE_LIMIT says */

struct templates {
	char *path;
	int dir;
};

/* Makes the folder if need be. 0, or -1 with e filled; ends with templates_close(). */
int templates_open(struct templates *t, const char *data_dir, struct err *e);
void templates_close(struct templates *t);

/* Who holds it is alone in making that template. A descriptor whose end is the lock's, or -1 with e
 * filled. With wait false and another holder: -1, and e->status is FCVM_EX_BUSY. */
int templates_lock(const struct templates *t, const char *key, bool wait, struct err *e);

/* What a machine is restored from: descriptors of the caller's. */
struct template_files {
	int state;      /* read-only */
	int memory;     /* read-write, but only read by who restores from it */
	int scratch;    /* read-only: to be copied */
	int volumes;    /* read-only: the sessions of its volumes' servers; empty without */
	int dir;        /* with copies of volumes (saved_volume()); -1 in the making */
	json_t *mounts; /* the volumes, in the machine's order; NULL without */
};
#define TEMPLATE_FILES_NONE              \
	{                                \
		-1, -1, -1, -1, -1, NULL \
	}
void template_files_close(struct template_files *f);

/* Opens the template, and marks it as used now. False: there is none, or it is damaged. */
bool templates_find(const struct templates *t, const char *key, struct template_files *f);

/* A template in the making, under a name that nobody looks for; its files are open for writing. */
struct template_new {
	char name[32];
	int dir;
	struct template_files files;
};
int templates_begin(const struct templates *t, struct template_new *n, struct err *e);
/* Syncs it and puts it in the place of one that may be there, with its description and its volumes,
 * or NULL (borrowed). */
int templates_keep(const struct templates *t, struct template_new *n, const char *key,
        const json_t *machine, const json_t *mounts, struct err *e);
/* Gives it up, unless it was kept; ends it in any case. */
void templates_end(const struct templates *t, struct template_new *n);

struct template_entry {
	char key[SHA256_HEX];
	uint64_t bytes; /* on disk */
	int64_t used;   /* CLOCK_REALTIME, seconds */
	json_t *doc;    /* its description; NULL: damaged */
};
/* All of them, the least recently used first, in a malloc'd list of *n. */
int templates_list(
        const struct templates *t, struct template_entry **list, size_t *n, struct err *e);
void templates_list_free(struct template_entry *list, size_t n);

/* 1: removed; 0: there was none; -1 with e filled. Machines that run from it go on. */
int templates_remove(const struct templates *t, const char *key, struct err *e);

/* Removes what a killed process left behind, damaged ones, and then the least recently used until
 * the rest takes at most so many bytes. Spares the one named `keep` (may be NULL). removed() (may
 * be NULL) is called for each. */
int templates_prune(const struct templates *t, uint64_t limit, const char *keep,
        void (*removed)(void *ctx, const struct template_entry *), void *ctx, struct err *e);

/* FCVM_TEMPLATE_LIMIT, or the default where it is not set or no size. */
uint64_t templates_limit(void);

#endif
